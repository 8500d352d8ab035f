import { crc32c } from "@node-rs/crc32";
import { alignedUp, blockBytes, type JournalDisk } from "./journal-disk";
import {
  decodeRecord,
  type LogRecord,
  lengthAt,
  maxRecordBytes,
  type Position,
  recordHeaderBytes,
} from "./record";

/** What the first block of a log file tells. */
export type LogFileHeader = {
  readonly format: 1;
  /** The history that it belongs to: a random id; an operator's word begins another one. */
  readonly history: string;
  /** The epoch that made the file. */
  readonly epoch: number;
  /** The record before its first. */
  readonly previous: Position;
  /** The file that holds that record, "" for none: where it is missing, what lies before it is no part of this log. */
  readonly previousFile: string;
  /** The folders that count, as of then. */
  readonly members: readonly string[];
  readonly madeAtMs: number;
};

export type LogFile = { readonly path: string; readonly name: string; readonly header: LogFileHeader };

/** A record and where it ends in its file. */
export type PlacedRecord = LogRecord & { readonly endBytes: number };

const magic = Buffer.from("CAIRNJL1", "latin1");
const windowBytes = 256 * 1024;

/** Sorted by name, files are in the order of their records; of two that begin with the same record the later epoch's. */
export function logFileName(header: LogFileHeader): string {
  const first = String(header.previous.number + 1).padStart(16, "0");
  return `${first}-${String(header.epoch).padStart(8, "0")}.log`;
}

export function isLogFileName(name: string): boolean {
  return /^\d{16}-\d{8}\.log$/.test(name);
}

/** The last files of a log without a gap, and the names of those before one. */
export function withoutGaps(files: readonly LogFile[]): { files: LogFile[]; beforeGap: string[] } {
  const gap = files.findLastIndex(
    (file, index) => index > 0 && file.header.previousFile !== files[index - 1]?.name,
  );
  const from = Math.max(gap, 0);
  return { files: files.slice(from), beforeGap: files.slice(0, from).map(({ name }) => name) };
}

/** One block: magic, length and CRC-32C of the text, the header as JSON that people can read, padding. */
export function encodeFileHeader(header: LogFileHeader): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const block = Buffer.alloc(blockBytes);
  magic.copy(block);
  block.writeUInt32LE(text.length, 8);
  block.writeUInt32LE(crc32c(text), 12);
  text.copy(block, 16);
  return block;
}

export function decodeFileHeader(block: Buffer): LogFileHeader | undefined {
  if (block.length < blockBytes || !block.subarray(0, 8).equals(magic)) return undefined;
  const text = block.subarray(16, 16 + block.readUInt32LE(8));
  if (crc32c(text) !== block.readUInt32LE(12)) return undefined;
  const header = JSON.parse(text.toString()) as { format: number } & LogFileHeader;
  return header.format === 1 ? header : undefined;
}

/** Undefined when there is no sound header of a format that is known. */
export async function readFileHeader(disk: JournalDisk, path: string): Promise<LogFileHeader | undefined> {
  const fd = await disk.open(path, "cache");
  try {
    const block = Buffer.alloc(blockBytes);
    return decodeFileHeader(block.subarray(0, await disk.read(fd, block, 0)));
  } finally {
    await disk.close(fd);
  }
}

/** The sound records of a file in order; ends before the first that is not, or that does not follow the one before. */
export async function* readRecords(
  disk: JournalDisk,
  path: string,
  header: LogFileHeader,
): AsyncGenerator<PlacedRecord, void> {
  const fd = await disk.open(path, "cache");
  try {
    let window: Buffer = Buffer.alloc(0);
    let windowAt = blockBytes;
    let at = blockBytes;
    let previous = header.previous;
    const sizeBytes = await disk.sizeOf(fd);
    /** Makes `length` bytes from `at` be in the window; false at the end of the file. */
    const hold = async (length: number): Promise<boolean> => {
      if (at + length <= windowAt + window.length && at >= windowAt) return true;
      if (at + length > sizeBytes) return false;
      const next = Buffer.allocUnsafe(Math.max(length, Math.min(windowBytes, sizeBytes - at)));
      window = next.subarray(0, await disk.read(fd, next, at));
      windowAt = at;
      return window.length >= length;
    };
    while (await hold(recordHeaderBytes)) {
      const length = lengthAt(window, at - windowAt) ?? 0;
      if (length === 0) {
        // Padding ends at a block; a block that begins with none is where nothing was written.
        if (at % blockBytes === 0) return;
        at = alignedUp(at);
        continue;
      }
      if (length < recordHeaderBytes || length > maxRecordBytes || !(await hold(length))) return;
      const record = decodeRecord(window.subarray(at - windowAt, at - windowAt + length), previous);
      if (record === undefined) return;
      previous = record.position;
      at += length;
      yield { ...record, endBytes: at };
    }
  } finally {
    await disk.close(fd);
  }
}
