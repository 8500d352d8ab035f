import { alignedUp, blockBytes, type JournalDisk } from "./journal-disk";
import { type LogFile, readRecords } from "./log-file";
import { isSame, type Position } from "./record";
import type { Survey } from "./survey";

const chunkBytes = 1024 * 1024;
/** Files of tails that were another's. */
const keptAside = 8;

/** The log that a folder is brought level with: another folder's files, up to a record of its last one. */
export type Source = { readonly files: readonly LogFile[]; readonly tail: Position };

/** The copy of a file that is still being written to. */
export type OpenCopy = { readonly fd: number; readonly endBytes: number };

/**
 * Brings a folder's log level with the source's (P5): what it lacks is copied, file by file and in order, each whole
 * and synced before the next; a tail that is another's is set aside under a name that no reader takes for a log. The
 * last file may stay open for who goes on writing it.
 */
export async function levelFolder(
  disk: JournalDisk,
  target: Survey,
  source: Source,
  keepLastOpen: boolean,
): Promise<OpenCopy | undefined> {
  const [first] = source.files;
  if (first === undefined) return undefined;
  const held = new Map(target.files.map((file) => [file.name, file]));
  const has = (file: LogFile | undefined) => {
    const own = file === undefined ? undefined : held.get(file.name);
    return own !== undefined && file !== undefined && isSame(own.header.previous, file.header.previous);
  };
  const connects = has(first) || isSame(target.tail, first.header.previous);
  const wanted = new Set(source.files.map((file) => file.name));
  for (const file of target.files) {
    const isOlder = connects && file.header.previous.number < first.header.previous.number;
    if (!isOlder && !wanted.has(file.name)) await setAside(disk, target.folder, file.name);
  }
  for (const name of target.unsound) await dropOrSetAside(disk, target.folder, name);
  let open: OpenCopy | undefined;
  for (const [index, file] of source.files.entries()) {
    const next = source.files[index + 1];
    const end = next?.header.previous ?? source.tail;
    const own = held.get(file.name);
    const isTargetsLast = own !== undefined && own === target.files.at(-1);
    const complete = has(file) && (has(next) || (isTargetsLast && isSame(target.tail, end)));
    const keepOpen = keepLastOpen && next === undefined;
    if (complete && !keepOpen) continue;
    const isBeginning = isTargetsLast && has(file) && (await holds(disk, file, target.tail));
    if (own !== undefined && !isBeginning) await setAside(disk, target.folder, file.name);
    open = await copyFile(disk, file, end, target.folder, keepOpen);
  }
  await disk.syncDirectory(target.folder);
  return open;
}

async function holds(disk: JournalDisk, file: LogFile, position: Position): Promise<boolean> {
  for await (const record of readRecords(disk, file.path, file.header))
    if (record.position.number === position.number) return isSame(record.position, position);
  return false;
}

/** Copies the sound records through `end`. Rejects, leaving what was there, when the source does not hold them. */
async function copyFile(
  disk: JournalDisk,
  file: LogFile,
  end: Position,
  folder: string,
  keepOpen: boolean,
): Promise<OpenCopy | undefined> {
  let endBytes = isSame(file.header.previous, end) ? blockBytes : 0;
  for await (const record of readRecords(disk, file.path, file.header)) {
    if (record.position.number > end.number) break;
    if (isSame(record.position, end)) endBytes = record.endBytes;
  }
  if (endBytes === 0)
    throw new Error(`${file.path} is damaged: it does not hold record ${end.number} of epoch ${end.epoch}`);
  const path = `${folder}/${file.name}`;
  const temporary = `${path}.tmp`;
  if ((await disk.stat(temporary)) !== undefined) await disk.unlink(temporary);
  const from = await disk.open(file.path, "cache");
  let to: number | undefined;
  let done = false;
  try {
    to = await disk.create(temporary, { synced: true, direct: true });
    const chunk = disk.alignedMemory(alignedUp(Math.min(chunkBytes, endBytes)));
    for (let at = 0; at < endBytes; at += chunkBytes) {
      const length = Math.min(chunkBytes, endBytes - at);
      await disk.read(from, chunk.subarray(0, length), at);
      chunk.fill(0, length, alignedUp(length));
      await disk.write(to, [chunk.subarray(0, alignedUp(length))], at);
    }
    await disk.rename(temporary, path);
    await disk.syncDirectory(folder);
    done = true;
    return keepOpen ? { fd: to, endBytes: alignedUp(endBytes) } : undefined;
  } finally {
    await disk.close(from);
    if (to !== undefined && !(done && keepOpen)) await disk.close(to);
  }
}

/** For people to look at; the last few are kept (I7). */
async function setAside(disk: JournalDisk, folder: string, name: string): Promise<void> {
  const numbers = (await disk.list(folder)).map((other) => Number(/^set-aside-(\d+)-/.exec(other)?.[1] ?? 0));
  const count = Math.max(0, ...numbers) + 1;
  await disk.rename(`${folder}/${name}`, `${folder}/set-aside-${count}-${name}`);
  for (const other of await disk.list(folder)) {
    const [, number] = /^set-aside-(\d+)-/.exec(other) ?? [];
    if (number !== undefined && Number(number) <= count - keptAside) await disk.unlink(`${folder}/${other}`);
  }
}

/** A file that a crash left before its first record holds nothing. */
async function dropOrSetAside(disk: JournalDisk, folder: string, name: string): Promise<void> {
  const stat = await disk.stat(`${folder}/${name}`);
  if (stat !== undefined && stat.sizeBytes <= 2 * blockBytes) await disk.unlink(`${folder}/${name}`);
  else await setAside(disk, folder, name);
}
