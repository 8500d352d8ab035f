import { ConfigError } from "../common/config/options";
import { newId } from "../common/ids/uuid";
import { codeOf, type Disk, DiskError, type DiskLock, isOutOfSpace } from "./disk";
import {
  readVolumeFile,
  UnusableVolumeFile,
  type VolumeRecord,
  volumeFileName,
  volumeFormat,
  writeVolumeFile,
} from "./volume-file";

/** What volume.json is called in a folder whose volume lives elsewhere now: no start takes it for one any more. */
export const replacedFileName = `${volumeFileName}.replaced`;

const lockName = "lock.db";
/** What a folder may hold and still be taken for a new volume: what a first start that was cut off leaves. */
const ownLeftovers = new Set([
  "lost+found",
  lockName,
  `${lockName}.pid`,
  `${lockName}-journal`,
  `${volumeFileName}.tmp`,
]);

/** A data folder that cannot be used. The message names it, says why, and what to do; for the start screen. */
export class UnusableFolder extends ConfigError {
  readonly folder: string;

  constructor(folder: string, why: string, cause?: unknown) {
    super(`The data folder ${folder} cannot be used: ${why}.`, cause === undefined ? {} : { cause });
    this.name = "UnusableFolder";
    this.folder = folder;
  }
}

/** A folder that this process holds. A new one has no record yet. */
export type ClaimedFolder = {
  readonly folder: string;
  readonly record: VolumeRecord | undefined;
  readonly lock: DiskLock;
};

/** Makes the folder if it is not there, refuses one that is not ours, and locks it. Throws UnusableFolder. */
export async function claimFolder(disk: Disk, folder: string): Promise<ClaimedFolder> {
  let lock: DiskLock | undefined;
  try {
    await makeFolder(disk, folder);
    await refuseForeign(disk, folder);
    lock = await disk.lock(`${folder}/${lockName}`);
    return { folder, record: await readRecord(disk, folder), lock };
  } catch (error) {
    lock?.release();
    throw asUnusable(folder, error);
  }
}

/** Gives each new folder its volume id and all the same node id (P1). Throws UnusableFolder. */
export async function nameVolumes(
  disk: Disk,
  claims: readonly ClaimedFolder[],
): Promise<{ nodeId: string; records: VolumeRecord[] }> {
  const named = claims.find((claim) => claim.record !== undefined)?.record;
  const nodeId = named?.nodeId ?? newId();
  const records: VolumeRecord[] = [];
  for (const { folder, record } of claims) {
    if (record !== undefined && record.nodeId !== nodeId)
      throw new UnusableFolder(
        folder,
        `it belongs to node ${record.nodeId}, the first one to node ${nodeId}`,
      );
    if (record !== undefined && records.some((other) => other.volumeId === record.volumeId))
      throw new UnusableFolder(
        folder,
        `volume ${record.volumeId} is given twice: is it a copy of another folder`,
      );
    records.push(record ?? (await nameVolume(disk, folder, nodeId)));
  }
  return { nodeId, records };
}

async function readRecord(disk: Disk, folder: string): Promise<VolumeRecord | undefined> {
  const found = await readVolumeFile(disk, folder);
  // One of a former format is rewritten once it is certain that the volume is taken.
  if (found !== undefined && !found.whole && found.record.format === volumeFormat)
    // A disk that takes no writes any more is read all the same.
    await writeVolumeFile(disk, folder, found.record).catch(() => {});
  return found?.record;
}

async function nameVolume(disk: Disk, folder: string, nodeId: string): Promise<VolumeRecord> {
  const record: VolumeRecord = { format: volumeFormat, volumeId: newId(), nodeId, fencedVolumes: {} };
  try {
    await writeVolumeFile(disk, folder, record);
  } catch (error) {
    throw asUnusable(folder, error);
  }
  return record;
}

/** Makes a folder and what is missing above it, durably. */
export async function makeFolder(disk: Disk, folder: string): Promise<void> {
  const stat = await disk.stat(folder);
  if (stat !== undefined && !stat.isDirectory)
    throw new UnusableFolder(folder, "it is a file", new DiskError("ENOTDIR", folder));
  if (stat !== undefined) return;
  const parent = folder.slice(0, Math.max(folder.lastIndexOf("/"), 1));
  if (parent !== folder) await makeFolder(disk, parent);
  try {
    await disk.mkdir(folder);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
  await disk.syncDirectory(parent);
}

async function refuseForeign(disk: Disk, folder: string): Promise<void> {
  const names = await disk.list(folder);
  if (names.includes(volumeFileName)) return;
  const foreign = names.filter((name) => !ownLeftovers.has(name));
  if (foreign.length === 0) return;
  if (names.includes(replacedFileName))
    throw new UnusableFolder(
      folder,
      "another folder has taken its place, or is about to; start with that one, or repeat `cairn admin replace-folder`",
    );
  const examples = foreign.slice(0, 3).join(", ");
  throw new UnusableFolder(
    folder,
    `it is not empty (${examples}) and has no ${volumeFileName}, so it is not a volume of Cairn; give an empty folder`,
  );
}

function asUnusable(folder: string, error: unknown): unknown {
  if (error instanceof UnusableFolder) return error;
  if (error instanceof UnusableVolumeFile) return new UnusableFolder(folder, error.message, error);
  const code = codeOf(error);
  if (code === "ELOCKED") {
    const { pid } = error as DiskError;
    return new UnusableFolder(folder, `it is in use, held by pid ${pid ?? "unknown"}`, error);
  }
  if (code === "EACCES" || code === "EPERM" || code === "EROFS")
    return new UnusableFolder(folder, `it is not writable (${code})`, error);
  if (isOutOfSpace(error)) return new UnusableFolder(folder, `its disk is full (${code})`, error);
  if (code !== "") return new UnusableFolder(folder, `the disk says ${code}`, error);
  return error;
}
