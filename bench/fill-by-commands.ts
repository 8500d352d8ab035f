import { MetadataService } from "../gen/cairn/metadata/v1/metadata_pb";
import { claimDataFolders } from "../services/cli/data-folders";
import { embeddedDatabase, openKeeper } from "../services/cli/embedded-state";
import { newId } from "../services/common/ids/uuid";
import { silentLogger } from "../services/common/log/logger";
import { createMetrics } from "../services/common/metrics/metrics";
import { newCall } from "../services/common/rpc/call";
import { localClient } from "../services/common/rpc/local";
import type { ServiceClient } from "../services/common/rpc/service";
import { systemClock } from "../services/common/time/clock";
import { defaultMetadataConfig } from "../services/metadata/config";
import { openMetadata } from "../services/metadata/open";
import { progress } from "./progress";

const commandsAtOnce = 1000;
const emptyMd5 = "d41d8cd98f00b204e9800998ecf8427e";

/** The metadata service of a store's folder, in this process. */
export type OpenMetadata = { client: ServiceClient<typeof MetadataService>; close(): Promise<void> };

/** Opens the metadata of an embedded store that does not run: its folders are this process's until `close`. */
export async function openMetadataOf(folder: string): Promise<OpenMetadata> {
  const metrics = createMetrics({ defaults: false });
  const places = claimDataFolders([folder]);
  const keeper = await openKeeper(places, { log: silentLogger, metrics, say: () => {} });
  const running = await openMetadata({
    database: embeddedDatabase(keeper, "metadata"),
    config: defaultMetadataConfig,
    clock: systemClock,
    log: silentLogger,
    metrics,
  });
  return {
    client: localClient(MetadataService, running.service),
    close: async () => {
      await running.close();
      await keeper.close();
      places.release();
    },
  };
}

/**
 * Fills a bucket of an embedded store that does not run through the metadata service, with
 * the commands that a PUT commits with, for objects without bytes: a million real PUTs would measure the disk for half
 * an hour.
 */
export async function fillByCommands(options: {
  readonly metadata: OpenMetadata;
  readonly bucketId: string;
  readonly configVersion: bigint;
  readonly count: number;
  keyAt(index: number): string;
}): Promise<void> {
  const { metadata, bucketId, configVersion, count, keyAt } = options;
  const startedMs = performance.now();
  for (let at = 0; at < count; at += commandsAtOnce) {
    const many = Math.min(commandsAtOnce, count - at);
    const commands = Array.from({ length: many }, (_, offset) => ({
      id: newId(),
      change: {
        case: "putVersion" as const,
        value: {
          bucketId,
          configVersion,
          key: keyAt(at + offset),
          content: { etag: emptyMd5 },
        },
      },
    }));
    const { outcomes } = await metadata.client.execute({ commands }, newCall());
    const refused = outcomes.find(({ result }) => result.case === "refusal");
    if (refused !== undefined) throw new Error(`A command was refused: ${JSON.stringify(refused.result)}`);
    if ((at / commandsAtOnce) % 100 === 99) progress(at + many, count, startedMs);
  }
}

/** The bucket of a name, as commits need it. */
export async function bucketOf(
  metadata: OpenMetadata,
  name: string,
): Promise<{ bucketId: string; configVersion: bigint }> {
  const { bucket } = await metadata.client.getBucket({ by: { case: "name", value: name } }, newCall());
  if (bucket === undefined) throw new Error(`There is no bucket ${name}.`);
  return { bucketId: bucket.id, configVersion: bucket.configVersion };
}
