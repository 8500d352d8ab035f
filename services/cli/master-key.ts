import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { crc32c } from "@node-rs/crc32";
import { ConfigError } from "../common/config/options";
import { readIfThere, replaceFile, writeOnce } from "./key-files";

const masterKeyName = "master.key";

/**
 * The master key: from the file that was named, or one made once and kept in every data folder, mode 0600. A folder
 * that lacks it, or whose file is damaged, gets it from another; folders that hold different keys are refused, since
 * only one can open the secrets. A folder that fails does not matter while another has the key; where none has, none is
 * made: the lost one may be it.
 */
export function masterKeyOf(namedFile: string | undefined, folders: readonly string[]): Buffer {
  if (namedFile !== undefined) {
    const text = readIfThere(namedFile);
    if (text === undefined) throw new ConfigError(`MASTER_KEY_FILE is "${namedFile}", but it cannot be read`);
    const key = wholeKeyIn(text)?.key;
    if (key === undefined) throw noKey(namedFile);
    return Buffer.from(key, "hex");
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
  const texts = new Map(
    paths.flatMap((path) => {
      const text = unlessFailed(() => readIfThere(path));
      return text === undefined ? [] : [[path, text] as const];
    }),
  );
  if (texts.size === 0 && failed.length > 0) throw failed[0];
  const keys = new Set([...texts.values()].flatMap((text) => wholeKeyIn(text)?.key ?? []));
  if (keys.size > 1)
    throw new ConfigError(
      `The data folders hold different master keys (${paths.join(", ")}): they belong to different stores.`,
    );
  const [damaged] = texts.keys();
  const [known] = keys;
  if (known === undefined && damaged !== undefined) throw noKey(damaged);
  const key = known ?? randomBytes(32).toString("hex");
  const written = paths.filter((path) =>
    unlessFailed(() => {
      const text = texts.get(path);
      if (text === undefined) writeOnce(path, linesOf(key));
      // Damaged, or of an older Cairn, which wrote no checksum.
      else if (wholeKeyIn(text)?.checked !== true) replaceFile(path, linesOf(key));
      return true;
    }),
  );
  if (texts.size === 0 && written.length < paths.length) throw failed[0];
  return Buffer.from(key, "hex");
}

/** 64 hexadecimal digits, and below them their checksum: so a wrong bit is not taken for another store's key. */
function linesOf(key: string): string {
  return `${key}\n${checksumOf(key)}`;
}

/** Undefined for what is no key or a damaged one. A file that people made has no checksum. */
function wholeKeyIn(text: string): { readonly key: string; readonly checked: boolean } | undefined {
  const [key = "", checksum] = text.split("\n");
  if (!/^[0-9a-f]{64}$/i.test(key)) return undefined;
  if (checksum !== undefined && checksum !== checksumOf(key)) return undefined;
  return { key, checked: checksum !== undefined };
}

function checksumOf(key: string): string {
  return `crc32c ${crc32c(key).toString(16).padStart(8, "0")}`;
}

function noKey(path: string): ConfigError {
  return new ConfigError(
    `${path} does not hold a master key: 64 hexadecimal digits, and a second line only as Cairn wrote it. Restore it ` +
      "from a backup; for a new store make one: openssl rand -hex 32",
  );
}
