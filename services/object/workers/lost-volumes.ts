import { CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { Logger } from "../../common/log/logger";
import { newCall } from "../../common/rpc/call";
import type { Clock } from "../../common/time/clock";
import type { ClusterView } from "../cluster-view";
import type { Commits, MetadataClient } from "../commit";
import type { WorkerLimits } from "../config";

export type LostVolumesDependencies = {
  readonly cluster: ClusterView;
  readonly metadata: MetadataClient;
  readonly commits: Commits;
  readonly copies: number;
  readonly limits: WorkerLimits["lost"];
  readonly clock: Clock;
  readonly log: Logger;
  /** Copies were queued for repair. */
  readonly onQueued: () => void;
};

/**
 * Looks for registered volumes that no live node has told of for longer than the grace (D§9): a node that is down, a
 * disk that was replaced by an empty one. Their copies are queued for repair, so that each blob has three again;
 * should the volume come back, repair reads what it holds and counts it again. The grace is counted by this process
 * alone, so that no clock and no restart can shorten it.
 */
export class LostVolumes {
  readonly #deps: LostVolumesDependencies;
  readonly #missingSinceMs = new Map<string, number>();

  constructor(deps: LostVolumesDependencies) {
    this.#deps = deps;
  }

  async step(signal: AbortSignal): Promise<boolean> {
    const { metadata, cluster, clock, limits, log } = this.#deps;
    const { nodes } = await metadata.listNodes({}, newCall({ signal, timeoutMs: 10_000 }));
    const all = nodes.flatMap((node) => node.volumes);
    const registered = all.filter((volume) => !volume.removed).map((volume) => volume.volumeId);
    // What still names a removed volume was lost with it, or committed at that moment: there is nothing to wait for.
    for (const { volumeId, removed } of all) if (removed) await this.#queueCopies(volumeId, signal);
    for (const volumeId of this.#missingSinceMs.keys())
      if (!registered.includes(volumeId)) this.#missingSinceMs.delete(volumeId);
    for (const volumeId of registered) {
      if (cluster.volume(volumeId)?.node.alive) {
        this.#missingSinceMs.delete(volumeId);
        continue;
      }
      const nowMs = clock.monotonicMs();
      const sinceMs = this.#missingSinceMs.get(volumeId) ?? nowMs;
      this.#missingSinceMs.set(volumeId, sinceMs);
      if (nowMs - sinceMs < limits.graceMs || !this.#canHoldAllCopies()) continue;
      const queued = await this.#queueCopies(volumeId, signal);
      if (queued > 0)
        log.warn({ volumeId, copies: queued }, "a volume is lost: its blobs are copied to others");
    }
    return false;
  }

  /** With fewer nodes there is nowhere to copy to, and nothing is gained by calling the copies bad. */
  #canHoldAllCopies(): boolean {
    const nodes = new Set(this.#deps.cluster.writable().map((target) => target.nodeId));
    return nodes.size >= this.#deps.copies;
  }

  async #queueCopies(volumeId: string, signal: AbortSignal): Promise<number> {
    const { metadata, commits, cluster, clock, limits, onQueued } = this.#deps;
    let queued = 0;
    let afterBlobId = "";
    const isBack = () => cluster.volume(volumeId)?.node.alive && !cluster.registered(volumeId)?.removed;
    while (!signal.aborted && !isBack()) {
      const call = newCall({ signal, timeoutMs: 60_000 });
      const request = { volumeId, afterBlobId, throughBlobId: "", limit: limits.batch };
      const { copies, more } = await metadata.listCopies(request, call);
      const good = copies.filter((copy) => copy.state === CopyState.GOOD);
      for (let at = 0; at < good.length; at += 100) {
        const changes = good.slice(at, at + 100).map(({ blobId }) => ({
          case: "queueRepair" as const,
          value: { blobId, volumeId },
        }));
        await commits.outcomes(changes, call);
      }
      queued += good.length;
      if (good.length > 0) onQueued();
      const last = copies.at(-1);
      if (!more || last === undefined) break;
      afterBlobId = last.blobId;
      await clock.sleep(limits.pauseMs, signal);
    }
    return queued;
  }
}
