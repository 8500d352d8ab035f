import { randomInt } from "node:crypto";
import { sql } from "kysely";
import type { MetadataService } from "../../gen/cairn/metadata/v1/metadata_pb";
import { CairnError, hasReason } from "../common/errors/cairn-error";
import type { RunningService } from "../common/lifecycle/running-service";
import type { Logger } from "../common/log/logger";
import type { Metrics } from "../common/metrics/metrics";
import { keepByteOrderMarks } from "../common/rpc/text-encoding";
import type { Database, DatabaseConfig } from "../common/sql/database";
import { databaseHealth } from "../common/sql/database-health";
import { migrate } from "../common/sql/migrate";
import { openDatabase } from "../common/sql/open-database";
import type { Clock } from "../common/time/clock";
import type { MetadataConfig } from "./config";
import { createExecute } from "./execute";
import { metadataMetrics } from "./metrics";
import { migrationsFor } from "./migrations/all";
import { makeIdentity } from "./reads/history";
import { VersionCache } from "./reads/version-cache";
import { metadataRpc, type Opened } from "./rpc";
import type { Tables } from "./store/tables";

/** Processes spread over so many usage rows a bucket (P4); two that share one only wait for each other. */
const usageSlots = 16;

/**
 * Opens names, versions, blobs and queues. A PostgreSQL that is away at start is an unavailable dependency: calls
 * answer METADATA_UNAVAILABLE until it is there. A schema from a newer version, or `fsync=off`, is refused at start
 * or, when the database came later, at every call.
 */
export async function openMetadata(options: {
  database: DatabaseConfig;
  config: MetadataConfig;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}): Promise<RunningService<typeof MetadataService>> {
  const { config, clock, log } = options;
  // Outcomes are kept as bytes, and hold keys.
  keepByteOrderMarks();
  const database = await openDatabase<Tables>(
    // A sync of every batch on the thread that serves requests was a fifth of a small write.
    options.database.kind === "sqlite" ? { synchronous: "BEHIND", ...options.database } : options.database,
  );
  let ready: Opened | undefined;
  let opening: Promise<Opened> | undefined;
  let closed = false;
  const metrics = metadataMetrics(options.metrics, () => ready?.reader);

  const prepare = async (): Promise<Opened> => {
    await refuseUnsynced(database);
    await migrate(database, options.database, migrationsFor(database.kind));
    const journal = options.database.kind === "sqlite" ? options.database.journal?.journal : undefined;
    await database.transaction((trx) => makeIdentity(trx, journal?.acceptedHistory));
    const slot = database.kind === "sqlite" ? 0 : randomInt(usageSlots);
    const versions = database.kind === "sqlite" ? new VersionCache() : undefined;
    database.onReplay?.(() => versions?.forgetAll());
    const execute = createExecute({
      database,
      config,
      clock,
      log,
      metrics,
      slot,
      transactionsAtOnce: transactionsAtOnce(options.database, config),
      versions,
    });
    ready = { reader: database, execute, versions };
    return ready;
  };
  /** One attempt at a time; the next call after a failed one tries again. */
  const opened = async (): Promise<Opened> => {
    if (closed) throw new CairnError("SHUTTING_DOWN");
    if (ready !== undefined) return ready;
    opening ??= prepare().finally(() => {
      opening = undefined;
    });
    return opening;
  };

  try {
    await opened();
  } catch (error) {
    if (!hasReason(error, "DATABASE_UNAVAILABLE", "OUTCOME_UNKNOWN")) {
      await database.close();
      throw error;
    }
    log.warn({ err: error }, "the metadata database cannot be reached; calls are refused until it can");
  }

  return {
    service: metadataRpc(opened, clock),
    health: async () => [await databaseHealth(database, clock)],
    close: async () => {
      if (closed) return;
      closed = true;
      await opening?.catch(() => {});
      await ready?.execute.drained();
      await database.close();
    },
  };
}

/** By the journal one at a time, and the next gathers while it is synced; without, one decides meanwhile. */
function transactionsAtOnce(database: DatabaseConfig, config: MetadataConfig): number {
  if (database.kind === "postgres") return config.transactionsAtOnce;
  return database.journal === undefined ? 2 : 1;
}

/** P4: a PostgreSQL that does not sync loses acknowledged commits on power loss (I1). */
async function refuseUnsynced(database: Database<Tables>): Promise<void> {
  if (database.kind === "sqlite") return;
  const { rows } = await sql<{ fsync: string }>`show fsync`.execute(database.db);
  if (rows[0]?.fsync !== "on")
    throw new Error(
      "PostgreSQL runs with fsync=off: a power cut would lose acknowledged writes. Set fsync=on.",
    );
}
