import { randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { ConfigError } from "../common/config/options";
import { weaknessOfSecret } from "../common/rpc/cluster-secret";

const clusterSecretName = "cluster.secret";

/** The secret of a split store: given, or made once in the data folder and shared by all that start there. */
export function clusterSecretOf(given: string | undefined, folder: string): string {
  const path = join(folder, clusterSecretName);
  if (given === undefined) return secretFile(path, () => randomBytes(32).toString("hex"));
  const weakness = weaknessOfSecret(given);
  if (weakness !== undefined) {
    throw new ConfigError(`CLUSTER_SECRET is refused: ${weakness}. Make one: openssl rand -hex 32`);
  }
  return given;
}

/** A secret kept in a file, mode 0600, made when the file is not there. */
export function secretFile(path: string, make: () => string): string {
  const found = readIfThere(path);
  if (found !== undefined) return found;
  writeOnce(path, make());
  return readIfThere(path) ?? "";
}

/** Without spaces around it; undefined when there is none. Throws ConfigError. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new ConfigError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

/** Of several processes that start at once, one file wins; the others find it whole, never half written. */
export function writeOnce(path: string, text: string): void {
  asConfigError(path, () => {
    const temporary = writeTemporary(path, text);
    try {
      linkSync(temporary, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    } finally {
      unlinkSync(temporary);
    }
    syncFolderOf(path);
  });
}

/** Puts another file in its place, whole. */
export function replaceFile(path: string, text: string): void {
  asConfigError(path, () => {
    renameSync(writeTemporary(path, text), path);
    syncFolderOf(path);
  });
}

function writeTemporary(path: string, text: string): string {
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  const file = openSync(temporary, "wx", 0o600);
  try {
    writeSync(file, `${text}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return temporary;
}

/** What it wraps is worth nothing without it, so its name must survive a power cut as they do. */
function syncFolderOf(path: string): void {
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function asConfigError(path: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    throw new ConfigError(`${path} cannot be written: ${(error as NodeJS.ErrnoException).code}`);
  }
}
