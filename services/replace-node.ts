import type { MetadataService } from "../gen/cairn/metadata/v1/metadata_pb";
import { CopyState } from "../gen/cairn/metadata/v1/metadata_pb";
import type { ObjectService } from "../gen/cairn/object/v1/object_pb";
import { hasReason } from "./common/errors/cairn-error";
import { newCall } from "./common/rpc/call";
import type { ServiceClient } from "./common/rpc/service";
import type { Clock } from "./common/time/clock";

/** How many of the copies that lay on the former node lie elsewhere. */
export type CopiesMoved = (moved: number, total: number) => void;

type Cluster = {
  readonly objects: ServiceClient<typeof ObjectService>;
  readonly metadata: ServiceClient<typeof MetadataService>;
  readonly clock: Clock;
};

const lookEveryMs = 500;
const timeoutMs = 30_000;

/**
 * Empties the node at `address` for good: a living one is drained, so that no copy is given up before another is synced
 * and verified; of one that does not answer the copies are repaired from the others. Resolves when nothing is left of it
 * and its volumes never count again. May be called again after it was cut off.
 */
export async function emptyNode(
  cluster: Cluster,
  address: string,
  onMoved: CopiesMoved,
  signal: AbortSignal,
): Promise<void> {
  const { nodes } = await cluster.objects.getCluster({}, newCall({ signal, timeoutMs }));
  const isAlive = nodes.some((node) => node.address === address && node.alive);
  for (const volumeId of await volumesAt(cluster, address, signal)) {
    if (isAlive) await drain(cluster, volumeId, onMoved, signal);
    else await repairElsewhere(cluster, volumeId, onMoved, signal);
  }
}

async function volumesAt({ metadata }: Cluster, address: string, signal: AbortSignal): Promise<string[]> {
  const { nodes } = await metadata.listNodes({}, newCall({ signal, timeoutMs }));
  const volumes = nodes.filter((node) => node.address === address).flatMap((node) => node.volumes);
  // One that was called lost, and not all of it repaired yet, is gone on with.
  return volumes.map(({ volumeId }) => volumeId);
}

async function drain(
  { objects, clock }: Cluster,
  id: string,
  onMoved: CopiesMoved,
  signal: AbortSignal,
): Promise<void> {
  const call = () => newCall({ signal, timeoutMs });
  try {
    await objects.drain({ id }, call());
  } catch (error) {
    // It was removed by a call that was cut off, or in the past.
    if (hasReason(error, "NO_SUCH_VOLUME")) return;
    throw error;
  }
  while (true) {
    await clock.sleep(lookEveryMs, signal);
    signal.throwIfAborted();
    const { walks } = await objects.getHealing({}, call());
    const walk = walks.find(({ kind, volumeId }) => kind === "drain" && volumeId === id);
    if (walk !== undefined) onMoved(Number(walk.changed), Math.max(Number(walk.total), Number(walk.changed)));
    if (walk === undefined || walk.running) continue;
    try {
      await objects.remove({ id }, call());
      return;
    } catch (error) {
      // What was written at that moment is moved by the drain's next round.
      if (!hasReason(error, "VOLUME_NOT_EMPTY")) throw error;
    }
  }
}

async function repairElsewhere(
  { objects, metadata, clock }: Cluster,
  volumeId: string,
  onMoved: CopiesMoved,
  signal: AbortSignal,
): Promise<void> {
  const call = () => newCall({ signal, timeoutMs });
  await objects.remove({ id: volumeId, lost: true }, call()).catch((error) => {
    if (!hasReason(error, "NO_SUCH_VOLUME")) throw error;
  });
  let total = 0;
  while (true) {
    // Both in one transaction: a copy that counts no more is in the queue.
    const waiting = await isCounted(metadata, volumeId, call);
    const { queues } = await objects.getHealing({}, call());
    const left = Number(queues?.repairs ?? 0n);
    total = Math.max(total, left);
    if (total > 0) onMoved(total - left, total);
    if (!waiting && left === 0) return;
    await clock.sleep(lookEveryMs, signal);
    signal.throwIfAborted();
  }
}

/** Some blob still counts on a copy there: nobody has looked for a replacement yet. */
async function isCounted(
  metadata: Cluster["metadata"],
  volumeId: string,
  call: () => ReturnType<typeof newCall>,
): Promise<boolean> {
  let afterBlobId = "";
  while (true) {
    const request = { volumeId, afterBlobId, throughBlobId: "", limit: 1_000 };
    const { copies, more } = await metadata.listCopies(request, call());
    if (copies.some(({ state }) => state === CopyState.GOOD)) return true;
    if (!more) return false;
    afterBlobId = copies.at(-1)?.blobId ?? "";
  }
}
