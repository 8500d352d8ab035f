import type { StorageService } from "../../gen/cairn/storage/v1/storage_pb";
import type { RunningService } from "../common/lifecycle/running-service";
import type { Logger } from "../common/log/logger";
import type { Metrics } from "../common/metrics/metrics";
import type { Clock } from "../common/time/clock";
import { type ClaimedFolder, claimFolder, nameVolumes, UnusableFolder } from "./claim-folder";
import type { StorageConfig } from "./config";
import type { Disk } from "./disk";
import { isDiskFailure, type LostFolder, within } from "./disk-failure";
import { StorageMetrics } from "./metrics";
import { openVolume } from "./open-volume";
import { storageRpc } from "./rpc";
import { StorageNode } from "./storage-node";
import type { Volume } from "./volume";

export type OpenStorageOptions = {
  readonly config: StorageConfig;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
};

/** A disk that has not answered for so many times `suspendAfterMs` when its folder is claimed counts as lost. */
const claimFactor = 4;

/**
 * Opens a storage node on its folders. A node of several disks goes on without those that failed or hang (P9), which its
 * health and metrics then name. Throws UnusableFolder, whose message is for the start screen, when a folder is foreign,
 * newer, locked, not writable or full, or the only disk failed; then nothing is held.
 */
export async function openStorage(
  options: OpenStorageOptions,
): Promise<RunningService<typeof StorageService> & { readonly nodeId: string }> {
  const { config, disk, clock, log } = options;
  const claims: ClaimedFolder[] = [];
  const volumes: Volume[] = [];
  const lost: LostFolder[] = [];
  const hasSpare = config.folders.length > 1;
  const lose = (folder: string, error: unknown) => {
    if (!hasSpare || !isDiskFailure(error)) throw error;
    log.error({ folder, err: error }, "the disk of this folder failed or hangs: the node goes on without it");
    lost.push({ folder, why: error instanceof Error ? error.message : String(error) });
    if (lost.length === config.folders.length) throw error;
  };
  const release = () => {
    for (const claim of claims) claim.lock.release();
  };
  try {
    if (config.folders.length === 0) throw new UnusableFolder("", "no folder is given");
    for (const given of config.folders) {
      const folder = withoutTrailingSlash(given);
      const claim = claimFolder(disk, folder);
      const limitMs = claimFactor * config.suspendAfterMs;
      const bounded = hasSpare ? within(clock, limitMs, claim, (late) => late.lock.release()) : claim;
      try {
        claims.push(await bounded);
      } catch (error) {
        lose(folder, error);
      }
    }
    const { nodeId, records } = await nameVolumes(disk, claims);
    const metrics = new StorageMetrics(options.metrics);
    const fenced = Object.assign({}, ...records.map((record) => record.fencedVolumes)) as Record<
      string,
      string
    >;
    const recordFenceElsewhere = async (volumeId: string, detail: string) => {
      await Promise.all(volumes.map((volume) => volume.rememberFence(volumeId, detail)));
    };
    for (const [index, record] of records.entries()) {
      const { folder } = claims[index] as ClaimedFolder;
      const fencedElsewhere = fenced[record.volumeId];
      const given = { folder, record, fencedElsewhere, config, disk, clock, log, metrics, hasSpare };
      try {
        volumes.push(await openVolume({ ...given, recordFenceElsewhere }));
      } catch (error) {
        lose(folder, error);
      }
    }
    for (const { folder } of lost) metrics.lost(folder);
    const node = new StorageNode({ nodeId, zone: config.zone, volumes, lost, clock, release });
    return { nodeId, service: storageRpc(node), health: () => node.health(), close: () => node.close() };
  } catch (error) {
    await Promise.all(volumes.map((volume) => volume.close()));
    release();
    throw error;
  }
}

function withoutTrailingSlash(folder: string): string {
  return folder.length > 1 && folder.endsWith("/") ? withoutTrailingSlash(folder.slice(0, -1)) : folder;
}
