import { ConfigError } from "../common/config/options";
import { isUuid } from "../common/ids/uuid";
import { DamagedFile } from "./blob-format";
import { makeFolder, replacedFileName } from "./claim-folder";
import { copyFile, copyMemory } from "./copy-file";
import { codeOf, type Disk, type DiskLock } from "./disk";
import { verifyFile } from "./file-blob-verifier";
import { readText, replaceFile } from "./replace-file";
import { ScratchBuffers } from "./scratch-buffers";
import { decodeSegmentHeader, segmentHeaderBytes, segmentSeed } from "./segment-format";
import { scanSegment } from "./segment-scan";
import {
  parseVolumeFile,
  readVolumeFile,
  type VolumeRecord,
  volumeFileName,
  writeVolumeFile,
} from "./volume-file";

/** Marks a folder that is being copied to, so that a copy that was cut off goes on. */
const copyingFileName = "copying.json";

export type CopiedVolume = {
  readonly volumeId: string;
  readonly files: number;
  readonly bytes: number;
  /** Files with records or blocks that are damaged, for people. The store mends them from other copies. */
  readonly damaged: readonly string[];
};

/**
 * Moves a volume to another folder: every file is copied, read back from the medium and checked against its own checksums.
 * The volume keeps its id, so that the metadata's copies stay true. Only when all is there the old folder stops being the
 * volume, and then the new one becomes it: cut off in between neither is, and the same call goes on. The old files stay.
 *
 * Nobody may use either folder meanwhile: both are locked. Throws ConfigError for a folder that cannot be used, and for a
 * fenced volume, which never takes writes again wherever it lies.
 */
export async function copyVolume(options: {
  readonly disk: Disk;
  readonly from: string;
  readonly to: string;
  readonly onProgress: (doneBytes: number, totalBytes: number) => void;
}): Promise<CopiedVolume> {
  const { disk, from, to } = options;
  const record = await recordOf(disk, from);
  if (await isMoved(disk, from, to, record.volumeId))
    return { volumeId: record.volumeId, files: 0, bytes: 0, damaged: [] };
  if (record.fence !== undefined)
    throw new ConfigError(
      `The volume in ${from} is fenced (${record.fence}): it takes no more writes wherever it lies. Start the store with an empty folder in its place; its copies come from the others.`,
    );
  const locks: DiskLock[] = [];
  try {
    locks.push(await disk.lock(`${from}/lock.db`));
    await prepareTarget(disk, to, record.volumeId);
    locks.push(await disk.lock(`${to}/lock.db`));
    const copied = await copyFiles(options);
    if ((await disk.stat(`${from}/${volumeFileName}`)) !== undefined) {
      await disk.rename(`${from}/${volumeFileName}`, `${from}/${replacedFileName}`);
      await disk.syncDirectory(from);
    }
    await writeVolumeFile(disk, to, record);
    await disk.unlink(`${to}/${copyingFileName}`);
    await disk.syncDirectory(to);
    return { volumeId: record.volumeId, ...copied };
  } catch (error) {
    if (codeOf(error) === "ELOCKED")
      throw new ConfigError(
        `${from} or ${to} is in use (${(error as Error).message}). Stop the store first.`,
      );
    throw error;
  } finally {
    for (const lock of locks) lock.release();
  }
}

/** True when the same call has ended before. */
async function isMoved(disk: Disk, from: string, to: string, volumeId: string): Promise<boolean> {
  if ((await disk.stat(`${from}/${volumeFileName}`)) !== undefined) return false;
  const text = await readText(disk, `${to}/${volumeFileName}`);
  if (text === undefined || parseVolumeFile(text).volumeId !== volumeId) return false;
  // A cut between volume.json and the end of the mark.
  if ((await disk.stat(`${to}/${copyingFileName}`)) !== undefined) {
    await disk.unlink(`${to}/${copyingFileName}`);
    await disk.syncDirectory(to);
  }
  return true;
}

async function recordOf(disk: Disk, from: string): Promise<VolumeRecord> {
  const unreadable = (name: string) => (error: unknown) => {
    if (codeOf(error) === "") throw error;
    throw new ConfigError(`${from}/${name} cannot be read: ${codeOf(error)}.`);
  };
  const found = await readVolumeFile(disk, from).catch(unreadable(volumeFileName));
  if (found !== undefined) return found.record;
  const text = await readText(disk, `${from}/${replacedFileName}`).catch(unreadable(replacedFileName));
  if (text !== undefined) return parseVolumeFile(text);
  throw new ConfigError(
    `${from} is no volume: it has no ${volumeFileName}. When its disk is lost, start the store with an empty folder in its place; its copies come from the others.`,
  );
}

/** An empty folder, or the one that a copy of this volume was cut off in. */
async function prepareTarget(disk: Disk, to: string, volumeId: string): Promise<void> {
  await makeFolder(disk, to);
  const names = (await disk.list(to)).filter((name) => name !== "lost+found" && !name.startsWith("lock.db"));
  const marker = await readText(disk, `${to}/${copyingFileName}`);
  if (marker !== undefined) {
    if ((JSON.parse(marker) as { volumeId?: unknown }).volumeId === volumeId) return;
    throw new ConfigError(`${to} holds the unfinished copy of another volume. Give an empty folder.`);
  }
  if (names.length > 0)
    throw new ConfigError(`${to} is not empty (${names.slice(0, 3).join(", ")}). Give an empty folder.`);
  await replaceFile(disk, to, copyingFileName, `${JSON.stringify({ volumeId })}\n`);
}

async function copyFiles({ disk, from, to, onProgress }: Parameters<typeof copyVolume>[0]) {
  const files = await filesOf(disk, from);
  const totalBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const memory = copyMemory(disk);
  const windows = new ScratchBuffers(() => disk.alignedMemory(memory.window.length), 1);
  const damaged: string[] = [];
  const folders = new Set([to]);
  let doneBytes = 0;
  for (const { folder, name } of files) {
    const path = `${to}/${folder}/${name}`;
    if (!folders.has(`${to}/${folder}`)) {
      await makeFolder(disk, `${to}/${folder}`);
      folders.add(`${to}/${folder}`);
    }
    const { unreadableBytes } = await copyFile(disk, `${from}/${folder}/${name}`, path, memory, (bytes) => {
      doneBytes += bytes;
      onProgress(doneBytes, totalBytes);
    });
    const why =
      folder === "segments" ? await damageOfSegment(disk, path, name) : await damageOfBlob(path, name);
    if (unreadableBytes > 0 || why !== undefined)
      damaged.push(`${folder}/${name}: ${why ?? `${unreadableBytes} bytes could not be read`}`);
  }
  for (const folder of folders) await disk.syncDirectory(folder);
  return { files: files.length, bytes: totalBytes, damaged };

  async function damageOfBlob(path: string, blobId: string): Promise<string | undefined> {
    try {
      await verifyFile(disk, path, blobId, windows, new AbortController().signal);
      return undefined;
    } catch (error) {
      if (error instanceof DamagedFile) return error.message;
      throw error;
    }
  }
}

/** Segments and blobs' files; the index is made anew, and what broken writes left is left behind. */
async function filesOf(disk: Disk, from: string) {
  const files: { folder: string; name: string; sizeBytes: number }[] = [];
  const add = async (folder: string, isOne: (name: string) => boolean) => {
    for (const name of (await disk.list(`${from}/${folder}`)).filter(isOne).sort()) {
      const sizeBytes = (await disk.stat(`${from}/${folder}/${name}`))?.sizeBytes ?? 0;
      files.push({ folder, name, sizeBytes });
    }
  };
  const names = await disk.list(from);
  if (names.includes("segments")) await add("segments", (name) => /^\d{12}$/.test(name));
  if (names.includes("blobs"))
    for (const shard of (await disk.list(`${from}/blobs`)).sort()) await add(`blobs/${shard}`, isUuid);
  return files;
}

async function damageOfSegment(disk: Disk, path: string, name: string): Promise<string | undefined> {
  const fd = await disk.open(path, "cache");
  try {
    const header = Buffer.alloc(segmentHeaderBytes);
    await disk.read(fd, header, 0);
    const segmentId = decodeSegmentHeader(header, Number(name));
    if (segmentId === undefined) return "its header is damaged";
    const seed = segmentSeed(segmentId);
    const { damages } = await scanSegment(disk, fd, seed, segmentHeaderBytes, () => {});
    return damages > 0 ? `${damages} damaged places` : undefined;
  } finally {
    await disk.close(fd);
  }
}
