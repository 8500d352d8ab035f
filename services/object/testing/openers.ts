import { join } from "node:path";
import { silentLogger } from "../../common/log/logger";
import { createMetrics } from "../../common/metrics/metrics";
import { systemClock } from "../../common/time/clock";
import { defaultMetadataConfig, type MetadataConfig } from "../../metadata/config";
import { openMetadata } from "../../metadata/open";
import { storageDefaults } from "../../storage/config";
import { nodeDisk } from "../../storage/node-disk";
import { openStorage } from "../../storage/open";
import type { Openers } from "./test-store";

const common = { clock: systemClock, log: silentLogger };

/** Real nodes and a real metadata service on SQLite; deletes wait for no grace unless `config` says so. */
export function realOpeners(
  config: Partial<MetadataConfig> = { deleteGraceMs: 0 },
  zoneOf: (folder: string) => string = () => storageDefaults.zone,
): Openers {
  return {
    openNode: (folder) =>
      openStorage({
        config: { ...storageDefaults, folders: [folder], reserveBytes: 0, zone: zoneOf(folder) },
        disk: nodeDisk,
        metrics: createMetrics({ defaults: false }),
        ...common,
      }),
    openMetadata: (folder) =>
      openMetadata({
        database: { kind: "sqlite", path: join(folder, "metadata.db") },
        config: { ...defaultMetadataConfig, ...config },
        metrics: createMetrics({ defaults: false }),
        ...common,
      }),
  };
}
