import { Counter } from "prom-client";
import type { BucketService } from "../../gen/cairn/bucket/v1/bucket_pb";
import type { MetadataService } from "../../gen/cairn/metadata/v1/metadata_pb";
import { prepare } from "../common/lifecycle/prepared";
import type { RunningService } from "../common/lifecycle/running-service";
import { startWorker } from "../common/lifecycle/worker";
import type { Logger } from "../common/log/logger";
import type { Metrics } from "../common/metrics/metrics";
import type { ServiceClient } from "../common/rpc/service";
import type { DatabaseConfig } from "../common/sql/database";
import { databaseHealth } from "../common/sql/database-health";
import { migrate } from "../common/sql/migrate";
import { openDatabase } from "../common/sql/open-database";
import type { Clock } from "../common/time/clock";
import { Buckets } from "./buckets";
import { DocumentSweep } from "./document-sweep";
import { Documents } from "./documents";
import { bucketMigrations } from "./migrations";
import { bucketRpc } from "./rpc";
import type { BucketTables } from "./tables";

const sweepEveryMs = 60 * 60 * 1_000;

export type BucketOptions = {
  /** Holds the documents. */
  readonly database: DatabaseConfig;
  /** Holds the buckets. */
  readonly metadata: ServiceClient<typeof MetadataService>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
};

/**
 * Opens the bucket service. A PostgreSQL that is away is waited for in the background; buckets are served meanwhile,
 * documents are not. Throws NewerSchemaError.
 */
export async function openBucket(options: BucketOptions): Promise<RunningService<typeof BucketService>> {
  const { metadata, clock, log } = options;
  const database = await openDatabase<BucketTables>(options.database);
  const buckets = new Buckets(metadata, clock);
  const make = async () => {
    await migrate(database, options.database, bucketMigrations(database.kind));
    return new Documents(database, clock);
  };
  const documents = await prepare({ name: "bucket", make, clock, log }).catch(async (error) => {
    await database.close();
    throw error;
  });
  const sweep = new DocumentSweep(database, buckets, clock);
  // Not at once: at start the metadata service may be starting too.
  let started = false;
  const sweeper = startWorker({
    name: "bucket-document-sweep",
    clock,
    log,
    idleMs: sweepEveryMs,
    step: async (signal) => {
      if (started) return sweep.step(signal);
      started = true;
      return false;
    },
  });
  const leftBehind = new Counter({
    name: "cairn_bucket_documents_left_behind_total",
    help: "Deleted buckets whose documents could not be removed at once; the sweep takes them.",
    registers: [options.metrics],
  });
  const onDeleted = async (bucketId: string) => {
    try {
      await documents.get().removeBucket(bucketId);
    } catch (error) {
      // The bucket is gone, which is what was asked; its documents are served to nobody any more.
      leftBehind.inc();
      log.warn({ err: error, bucketId }, "documents of a deleted bucket are left to the sweep");
    }
  };
  let closed: Promise<void> | undefined;
  return {
    service: bucketRpc({ buckets, documents: documents.get, onDeleted }),
    health: async () => [await databaseHealth(database, clock, documents.get)],
    close: () => {
      closed ??= (async () => {
        await Promise.all([documents.close(), sweeper.close()]);
        await database.close();
      })();
      return closed;
    },
  };
}
