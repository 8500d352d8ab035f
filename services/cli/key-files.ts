import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { ConfigError } from "../common/config/options";
import { weaknessOfSecret } from "../common/rpc/cluster-secret";

const masterKeyName = "master.key";
const clusterSecretName = "cluster.secret";

/**
 * The master key: from the file that was named, or one made once and kept in every data folder, mode 0600. A folder
 * that lacks it gets a copy; folders that hold different keys are refused, since only one can open the secrets. A
 * folder that fails does not matter while another has the key; where none has, none is made: the lost one may be it.
 */
export function masterKeyOf(namedFile: string | undefined, folders: readonly string[]): Buffer {
  if (namedFile !== undefined) {
    const text = readIfThere(namedFile);
    if (text === undefined) throw new ConfigError(`MASTER_KEY_FILE is "${namedFile}", but it cannot be read`);
    return parseKey(text, namedFile);
  }
  const paths = folders.map((folder) => join(folder, masterKeyName));
  const failed: unknown[] = [];
  const unlessFailed = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      failed.push(error);
      return undefined;
    }
  };
  const found = paths.flatMap((path) => unlessFailed(() => readIfThere(path)) ?? []);
  if (found.length === 0 && failed.length > 0) throw failed[0];
  const text = found[0] ?? randomBytes(32).toString("hex");
  if (found.some((other) => other !== text)) {
    throw new ConfigError(
      `The data folders hold different master keys (${paths.join(", ")}): they belong to different stores.`,
    );
  }
  const written = paths.filter((path) =>
    unlessFailed(() => {
      if (readIfThere(path) === undefined) writeOnce(path, text);
      return true;
    }),
  );
  if (found.length === 0 && written.length < paths.length) throw failed[0];
  return parseKey(text, paths[0] ?? "");
}

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

function parseKey(text: string, path: string): Buffer {
  if (!/^[0-9a-f]{64}$/i.test(text)) {
    throw new ConfigError(
      `${path} does not hold a master key: 64 hexadecimal digits. Make one: openssl rand -hex 32`,
    );
  }
  return Buffer.from(text, "hex");
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new ConfigError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

/** Of several processes that start at once, one file wins; the others find it whole, never half written. */
function writeOnce(path: string, text: string): void {
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    const file = openSync(temporary, "wx", 0o600);
    try {
      writeSync(file, `${text}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    try {
      linkSync(temporary, path);
    } finally {
      unlinkSync(temporary);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EEXIST") throw new ConfigError(`${path} cannot be written: ${code}`);
  }
}
