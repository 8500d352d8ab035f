import { CopyState } from "../../gen/cairn/metadata/v1/metadata_pb";
import { VolumeState } from "../../gen/cairn/storage/v1/storage_pb";
import { hasReason } from "../../services/common/errors/cairn-error";
import { newCall } from "../../services/common/rpc/call";
import type { Clock } from "../../services/common/time/clock";
import { type Cluster, gatewayNames, type NodeName, nodeNames } from "./cluster";
import { start } from "./nemesis";
import { type Trace, told } from "./trace";
import { DiskFaults } from "./world/process-disk";

/** No fault is at work any more, all processes run, and an operator has replaced disks that say they are broken. */
export async function heal(cluster: Cluster, clock: Clock, trace: Trace): Promise<void> {
  cluster.network.mendAll();
  for (const name of nodeNames) {
    const node = cluster.nodes[name];
    Object.assign(node.faults, new DiskFaults());
    node.disk.capacityBytes = 16 * 1024 * 1024;
  }
  for (const name of [...nodeNames, ...gatewayNames, "metadata"] as const) cluster.process(name)?.goOn();
  await clock.sleep(2_500);
  for (let round = 1; round <= 20; round++) {
    const down = [
      ...nodeNames.filter((name) => cluster.node(name) === undefined),
      ...gatewayNames.filter((name) => cluster.gateway(name) === undefined),
      ...(cluster.metadata === undefined ? (["metadata"] as const) : []),
    ];
    const broken: NodeName[] = [];
    for (const name of nodeNames) if (await isFenced(cluster, name)) broken.push(name);
    if (down.length === 0 && broken.length === 0) return;
    for (const name of down) {
      // Its folder cannot be used: as a disk that is broken.
      if (round > 3 && isNode(name)) cluster.replaceDisk(name);
      start(cluster, name, trace);
    }
    for (const name of broken) {
      trace.tell("operator", `replaces the fenced disk of ${name}`);
      cluster.replaceDisk(name);
      start(cluster, name, trace);
    }
    await clock.sleep(3_000);
  }
  throw new Error("a process does not come up though all is healed");
}

function isNode(name: string): name is NodeName {
  return nodeNames.includes(name as NodeName);
}

async function isFenced(cluster: Cluster, name: (typeof nodeNames)[number]): Promise<boolean> {
  const node = cluster.node(name);
  if (node === undefined) return false;
  const { volumes } = await node.client.getNode({}, newCall());
  return volumes.some((volume) => volume.state === VolumeState.FENCED);
}

/** What is not as it must be once all is healed and the queues have run; empty when all is well. */
export async function unsettled(cluster: Cluster): Promise<string[]> {
  const metadata = cluster.metadata?.client;
  if (metadata === undefined) return ["metadata is down"];
  const wrong: string[] = [];
  const queues = await metadata.getQueues({}, newCall());
  if (queues.repairs > 0n) wrong.push(`${queues.repairs} repairs are queued`);
  // What was to be deleted from a disk that is gone stays queued, should it come back.
  if (queues.deletes > 0n && !cluster.lostDisk) wrong.push(`${queues.deletes} deletes are queued`);
  const copiesOf = new Map<string, number>();
  for (const name of nodeNames) {
    const node = cluster.node(name)?.client;
    if (node === undefined) return [`${name} is down`];
    const { volumes } = await node.getNode({}, newCall());
    for (const { volumeId } of volumes) {
      const rows = await metadata.listCopies({ volumeId, limit: 10_000 }, newCall());
      const named = rows.copies.filter(({ state }) => state !== CopyState.CONDEMNED);
      const { blobs } = await node.listBlobs({ volumeId, afterBlobId: "", limit: 10_000 }, newCall());
      const there = new Set(blobs.map(({ blobId }) => blobId));
      for (const { blobId, state } of named) {
        if (!there.has(blobId)) wrong.push(`${name} lacks ${blobId}`);
        else if (state !== CopyState.GOOD) wrong.push(`${name} has a bad copy of ${blobId}`);
        else copiesOf.set(blobId, (copiesOf.get(blobId) ?? 0) + 1);
        there.delete(blobId);
      }
      for (const blobId of there) wrong.push(`${name} holds ${blobId}, which nobody names`);
    }
  }
  for (const [blobId, copies] of copiesOf) if (copies < 3) wrong.push(`${blobId} has ${copies} copies`);
  return wrong;
}

/** Every copy that counts is read whole from its node; one that is damaged is what no scrub has found yet. */
export async function damagedCopies(
  cluster: Cluster,
  clock: Clock,
): Promise<{ damaged: string[]; lost: string[]; differing: string[] }> {
  const metadata = cluster.metadata?.client;
  const facts = new Map<string, { crc32c: number; sizeBytes: bigint; good: number }>();
  const damaged: string[] = [];
  /** Sound on their nodes, and not the same: one of them is not what was written, and no checksum knows. */
  const differing: string[] = [];
  for (const name of nodeNames) {
    const node = cluster.node(name)?.client;
    if (node === undefined || metadata === undefined) throw new Error(`${name} is down`);
    for (const { volumeId } of (await node.getNode({}, newCall())).volumes) {
      const { copies } = await metadata.listCopies({ volumeId, limit: 10_000 }, newCall());
      for (const { blobId, state } of copies) {
        if (state !== CopyState.GOOD) continue;
        const known = facts.get(blobId) ?? { crc32c: -1, sizeBytes: -1n, good: 0 };
        facts.set(blobId, known);
        try {
          const { crc32c, sizeBytes } = await onceOpen(clock, () =>
            node.verifyBlob({ blobId, volumeId }, newCall()),
          );
          if (known.good > 0 && (known.crc32c !== crc32c || known.sizeBytes !== sizeBytes))
            differing.push(`${name} has other bytes of ${blobId}`);
          Object.assign(known, { crc32c, sizeBytes, good: known.good + 1 });
        } catch (error) {
          damaged.push(`${name} ${blobId}: ${told(error)}`);
        }
      }
    }
  }
  return {
    damaged,
    differing,
    lost: [...facts].filter(([, { good }]) => good === 0).map(([blobId]) => blobId),
  };
}

/** A disk whose last slow calls have not come back yet is waited for: it opens by itself (P9). */
async function onceOpen<T>(clock: Clock, work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === 30 || !hasReason(error, "VOLUME_SUSPENDED")) throw error;
      await clock.sleep(1_000);
    }
  }
}
