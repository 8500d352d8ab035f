import { basename } from "node:path";
import { ConfigError } from "../common/config/options";
import { isUuid } from "../common/ids/uuid";
import { codeOf, type Disk } from "./disk";
import { dumpBlob } from "./dump-blob";
import { dumpSegment } from "./dump-segment";
import type { Print } from "./dump-text";
import { dumpScrubFile, dumpVolumeFile } from "./dump-volume";
import { scrubFileName } from "./scrub-position";
import { volumeCopyName, volumeFileName } from "./volume-file";

/**
 * Prints a file of a volume for people: a segment, a blob's file, volume.json or scrub.json, known by its name, else
 * by its first bytes. It changes nothing and takes no lock: what is being written may look torn. Memory: 2 MiB.
 * True when all of it is sound. Throws ConfigError for what is no such file.
 */
export async function dumpFile(disk: Disk, path: string, print: Print): Promise<boolean> {
  const name = basename(path);
  const isVolumeFile = name === volumeFileName || name === volumeCopyName;
  if (isVolumeFile || name === scrubFileName) {
    await existing(disk, path);
    return (isVolumeFile ? dumpVolumeFile : dumpScrubFile)(disk, path, print);
  }
  await existing(disk, path);
  const fd = await disk.open(path, "cache");
  try {
    const start = Buffer.alloc(8);
    const count = await disk.read(fd, start, 0);
    const magic = start.toString("latin1", 0, count);
    const number = /^\d{12}$/.test(name) ? Number(name) : undefined;
    const blobId = isUuid(name) ? name : undefined;
    if (magic === "CAIRNSEG" || (number !== undefined && magic !== "CAIRNBLB"))
      return await dumpSegment(disk, fd, number, print);
    if (magic === "CAIRNBLB" || blobId !== undefined) return await dumpBlob(disk, fd, blobId, print);
    const what = magic.startsWith("SQLite")
      ? "a SQLite database. index.db is a cache that `cairn storage reindex` makes anew, and lock.db holds nothing"
      : `no file of a volume: it is neither named nor begins like one ("${printable(magic)}")`;
    throw new ConfigError(
      `${path} is ${what}. Give a segment, a blob's file, ${volumeFileName} or ${scrubFileName}.`,
    );
  } finally {
    await disk.close(fd).catch(() => {});
  }
}

async function existing(disk: Disk, path: string): Promise<void> {
  const stat = await disk.stat(path).catch((error: unknown) => {
    if (codeOf(error) === "") throw error;
    throw new ConfigError(`${path} cannot be read: ${codeOf(error)}.`);
  });
  if (stat === undefined) throw new ConfigError(`${path}: there is no such file.`);
  if (stat.isDirectory)
    throw new ConfigError(`${path} is a folder. Give a file in it, such as ${path}/${volumeFileName}.`);
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "·");
}
