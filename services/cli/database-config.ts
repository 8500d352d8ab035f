import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { ConfigError, type Settings } from "../common/config/options";
import type { DatabaseConfig } from "../common/sql/database";
import { makeFolder } from "./make-folder";

/** Passwords that guides and examples print; a database that listens beyond loopback must not have one. */
const knownPasswords = new Set([
  "postgres",
  "password",
  "passw0rd",
  "changeme",
  "secret",
  "admin",
  "root",
  "example",
  "cairn",
  "s3storage",
  "s3_password",
  "123456",
  "",
]);

/**
 * A service's database: PostgreSQL when DATABASE_URL is given, else a SQLite file at DB_PATH, else at the place of the
 * deployment guide. Throws ConfigError for a password that everybody knows, unless the database is on loopback.
 */
export function databaseOf(
  schema: "identity" | "bucket" | "metadata",
  settings: Settings,
  say: (line: string) => void,
): DatabaseConfig {
  if (settings.databaseUrl !== undefined) return { kind: "postgres", url: postgresUrl(settings), schema };
  const path = settings.dbPath ?? join(guideFolder(settings, say), `${schema}.db`);
  makeFolder(dirname(path), "Set DB_PATH to another place, or make it writable.");
  return { kind: "sqlite", path };
}

/** The folders of a storage node: STORAGE_ROOT, or the deployment guide's place. */
export function storageFoldersOf(settings: Settings, say: (line: string) => void): string[] {
  const folders = settings.storageRoot ?? [join(guideFolder(settings, say), "storage")];
  for (const folder of folders) makeFolder(folder, "Set STORAGE_ROOT to another one, or make it writable.");
  return folders;
}

/** `/data` where it is there and writable, as in a container, else the data folder; which one is said. */
export function guideFolder(settings: Settings, say: (line: string) => void): string {
  const guide = "/data";
  if (existsSync(guide) && statSync(guide).isDirectory() && isWritable(guide)) return guide;
  const [folder = "./data"] = settings.data;
  const own = join(folder, "split");
  makeFolder(own, "Give another one with --data, or make it writable.");
  say(`${guide} is not writable: using ${own}`);
  return own;
}

function postgresUrl(settings: Settings): string {
  const url = new URL(settings.databaseUrl ?? "");
  if (url.password === "" && settings.databasePassword !== undefined)
    url.password = settings.databasePassword;
  const loopback = /^(localhost|127(\.\d+){3}|\[::1\]|)$/.test(url.hostname);
  if (!loopback && knownPasswords.has(decodeURIComponent(url.password).toLowerCase())) {
    throw new ConfigError(
      `DATABASE_URL: the password for ${url.hostname} is empty or one that everybody knows. Set another one, or DATABASE_PASSWORD_FILE.`,
    );
  }
  return url.href;
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
