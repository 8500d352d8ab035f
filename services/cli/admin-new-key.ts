import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { ConfigError, type Settings } from "../common/config/options";
import { silentLogger } from "../common/log/logger";
import { createMetrics } from "../common/metrics/metrics";
import type { DatabaseConfig } from "../common/sql/database";
import { systemClock } from "../common/time/clock";
import { defaultIdentityConfig, openIdentity } from "../identity/open";
import { askStore } from "./admin-socket";
import { claimDataFolders } from "./data-folders";
import { databaseOf } from "./database-config";
import { embeddedDatabase, openKeeper } from "./embedded-state";
import { masterKeyOf } from "./master-key";
import { splitDatabaseUrlFile } from "./split";

/**
 * `cairn admin new-key`: makes another admin key, for whoever may read the store's files, while it runs or not.
 * Answers the key's text; it is in force at once.
 */
export async function newAdminKey(settings: Settings): Promise<string> {
  const roots = settings.data.map((data) => resolve(data));
  const [folder = "./data"] = roots;
  const store = findStore(settings, roots);
  if (store !== "embedded") return makeKey(settings, store);
  // A running store alone may write: what it does not know of would be missing in the journal.
  for (const root of roots) {
    const key = await askStore(root, { verb: "new-key" }, () => {});
    if (key !== undefined) return key;
  }
  return makeKeyEmbedded(settings, folder);
}

/** In a store that does not run: with its folders locked, by its journal. */
async function makeKeyEmbedded(settings: Settings, folder: string): Promise<string> {
  if (settings.data.length === 1 && existsSync(join(folder, "journal")))
    throw new ConfigError(
      `${folder} is one of several data folders: give them all with --data, as to serve.`,
    );
  const folders = claimDataFolders(settings.data);
  try {
    const keeper = await openKeeper(folders, {
      log: silentLogger,
      metrics: createMetrics({ defaults: false }),
      say: () => {},
    });
    try {
      const database = embeddedDatabase(keeper, "identity");
      return await makeKey(settings, { database, keyFolders: folders.roots });
    } finally {
      await keeper.close();
    }
  } finally {
    folders.release();
  }
}

async function makeKey(settings: Settings, { database, keyFolders }: Store): Promise<string> {
  const identity = await openIdentity({
    database,
    masterKey: masterKeyOf(settings.masterKeyFile, keyFolders),
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

type Store = { readonly database: DatabaseConfig; readonly keyFolders: readonly string[] };

/** The store that exists: this must never make an empty one and a key for it. */
function findStore(settings: Settings, roots: readonly string[]): Store | "embedded" {
  const [folder = "./data"] = roots;
  if (settings.databaseUrl !== undefined) {
    return { database: databaseOf("identity", settings, () => {}), keyFolders: [folder] };
  }
  const split = join(folder, "split");
  const splitUrl = join(split, splitDatabaseUrlFile);
  // With its first folder lost, an embedded store keeps its state in another one.
  const embedded = roots.map((root) => join(root, "state", "identity.db"));
  const files =
    settings.dbPath === undefined
      ? [...embedded, join(split, "identity.db"), "/data/identity.db"]
      : [settings.dbPath];
  const path = files.find((file) => existsSync(file));
  if (path !== undefined && embedded.includes(path)) return "embedded";
  if (path !== undefined) return { database: { kind: "sqlite", path }, keyFolders: [folder] };
  if (existsSync(splitUrl)) {
    const url = readFileSync(splitUrl, "utf8").trim();
    return { database: { kind: "postgres", url, schema: "identity" }, keyFolders: [split] };
  }
  throw new ConfigError(
    `No store was found at ${files.join(", ")}. Say which with --data, DB_PATH or DATABASE_URL.`,
  );
}
