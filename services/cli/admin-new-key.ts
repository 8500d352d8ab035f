import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { ConfigError, type Settings } from "../common/config/options";
import { silentLogger } from "../common/log/logger";
import { createMetrics } from "../common/metrics/metrics";
import type { DatabaseConfig } from "../common/sql/database";
import { systemClock } from "../common/time/clock";
import { defaultIdentityConfig, openIdentity } from "../identity/open";
import { databaseOf } from "./database-config";
import { masterKeyOf } from "./key-files";

/**
 * `cairn admin new-key`: makes another admin key, for whoever may read the store's files, while it runs or not.
 * Answers the key's text; it is in force at once.
 */
export async function newAdminKey(settings: Settings): Promise<string> {
  const [folder = "./data"] = settings.data.map((data) => resolve(data));
  const identity = await openIdentity({
    database: identityDatabase(settings, folder),
    masterKey: masterKeyOf(settings.masterKeyFile, [folder]),
    announce: () => {},
    config: defaultIdentityConfig,
    clock: systemClock,
    random: randomBytes,
    log: silentLogger,
    metrics: createMetrics({ defaults: false }),
  });
  try {
    return await identity.newAdminKey();
  } finally {
    await identity.close();
  }
}

/** The database that exists: this must never make an empty store and a key for it. */
function identityDatabase(settings: Settings, folder: string): DatabaseConfig {
  if (settings.databaseUrl !== undefined) return databaseOf("identity", settings, () => {});
  const embedded = join(folder, "state", "identity.db");
  const candidates =
    settings.dbPath === undefined
      ? [embedded, join(folder, "split", "identity.db"), "/data/identity.db"]
      : [settings.dbPath];
  const path = candidates.find((candidate) => existsSync(candidate));
  if (path === undefined) {
    throw new ConfigError(
      `No store was found at ${candidates.join(", ")}. Say which with --data, DB_PATH or DATABASE_URL.`,
    );
  }
  return { kind: "sqlite", path };
}
