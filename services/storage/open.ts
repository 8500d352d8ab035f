import type { StorageService } from "../../gen/cairn/storage/v1/storage_pb";
import type { RunningService } from "../common/lifecycle/running-service";
import type { Logger } from "../common/log/logger";
import type { Metrics } from "../common/metrics/metrics";
import type { Clock } from "../common/time/clock";
import { type ClaimedFolder, claimFolder, nameVolumes, UnusableFolder } from "./claim-folder";
import type { StorageConfig } from "./config";
import type { Disk } from "./disk";
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

/**
 * Opens a storage node on its folders. Throws UnusableFolder, whose message is for the start screen, when one of
 * them is foreign, newer, locked, not writable or full; then nothing is held.
 */
export async function openStorage(
  options: OpenStorageOptions,
): Promise<RunningService<typeof StorageService> & { readonly nodeId: string }> {
  const { config, disk, clock, log } = options;
  const claims: ClaimedFolder[] = [];
  const volumes: Volume[] = [];
  const release = () => {
    for (const claim of claims) claim.lock.release();
  };
  try {
    if (config.folders.length === 0) throw new UnusableFolder("", "no folder is given");
    for (const folder of config.folders) claims.push(await claimFolder(disk, withoutTrailingSlash(folder)));
    const { nodeId, records } = await nameVolumes(disk, claims);
    const metrics = new StorageMetrics(options.metrics);
    const fenced = Object.assign({}, ...records.map((record) => record.fencedVolumes)) as Record<
      string,
      string
    >;
    const recordFenceElsewhere = async (volumeId: string, detail: string) => {
      for (const volume of volumes) await volume.rememberFence(volumeId, detail);
    };
    for (const [index, record] of records.entries()) {
      const { folder } = claims[index] as ClaimedFolder;
      const fencedElsewhere = fenced[record.volumeId];
      volumes.push(
        await openVolume({
          folder,
          record,
          fencedElsewhere,
          config,
          disk,
          clock,
          log,
          metrics,
          recordFenceElsewhere,
        }),
      );
    }
    const node = new StorageNode({ nodeId, zone: config.zone, volumes, clock, release });
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
