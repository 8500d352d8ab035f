import { crc32c } from "@node-rs/crc32";
import type { Disk } from "./disk";
import { crcText, field, type Print, right, verdict } from "./dump-text";
import {
  badBlocks,
  decodeRecordHeader,
  decodeSegmentHeader,
  type RecordHeader,
  recordHeaderBytes,
  recordMagic,
  segmentHeaderBytes,
  segmentSeed,
} from "./segment-format";
import { type ScannedRecord, scanSegment } from "./segment-scan";

const searchBytes = 64 * 1024;

/**
 * Prints a segment record by record (docs/storage-format.md), what is damaged too. `fileNumber`: the one in its name.
 * True when all of it is sound. Throws NewerFormat.
 */
export async function dumpSegment(
  disk: Disk,
  fd: number,
  fileNumber: number | undefined,
  print: Print,
): Promise<boolean> {
  const fileBytes = await disk.sizeOf(fd);
  const header = Buffer.alloc(segmentHeaderBytes);
  await disk.read(fd, header, 0);
  const number = Number(header.readBigUInt64LE(32));
  const segmentId = header.toString("hex", 16, 32);
  const isHeaderSound = decodeSegmentHeader(header, number) !== undefined;
  const isNamedRight = fileNumber === undefined || fileNumber === number;
  await print("segment");
  await print(field("magic", header.toString("latin1", 0, 8)));
  await print(field("version", header.readUInt16LE(8)));
  await print(field("number", isNamedRight ? number : `${number}, bad: the file is named ${fileNumber}`));
  await print(field("random id", segmentId));
  await print(field("header checksum", verdict(isHeaderSound)));
  await print(field("length", `${fileBytes} bytes`));
  if (fileBytes < segmentHeaderBytes) {
    await print(
      "bad: the file ends within its header: cut off by a crash while it was made, it holds nothing",
    );
    return false;
  }
  await print("");
  await print("  position     size  kind       checksums  crc32c    written                   gap  blob");

  // A damaged header costs nothing here: the records tell whether the random id is still right.
  const seed = segmentSeed(segmentId);
  const counts = { blob: 0, tombstone: 0 };
  let isContentSound = true;
  let damaged: { fromBytes: number; toBytes: number }[] = [];
  const printDamage = async (beforeBytes: number) => {
    const due = damaged.filter(({ fromBytes }) => fromBytes < beforeBytes);
    damaged = damaged.filter(({ fromBytes }) => fromBytes >= beforeBytes);
    for (const range of due) await dumpDamage(disk, fd, seed, range, print);
  };
  const onRecords = async (records: readonly ScannedRecord[]) => {
    for (const { header: record, offsetBytes, content } of records) {
      await printDamage(offsetBytes);
      counts[record.kind] += 1;
      const isWholeSound = crc32c(content) === record.crc32c;
      isContentSound &&= isWholeSound;
      await print(recordLine(record, offsetBytes, isWholeSound ? "ok" : "bad whole"));
    }
  };
  const { soundThroughBytes, damages } = await scanSegment(
    disk,
    fd,
    seed,
    segmentHeaderBytes,
    onRecords,
    (fromBytes, toBytes) => void damaged.push({ fromBytes, toBytes }),
  );
  const isTorn = soundThroughBytes < fileBytes;
  if (isTorn) await dumpDamage(disk, fd, seed, { fromBytes: soundThroughBytes, toBytes: fileBytes }, print);
  await print("");
  await print(
    `${counts.blob} blobs, ${counts.tombstone} tombstones, ${damages} damaged places, ${isTorn ? `${fileBytes - soundThroughBytes} bytes at the end that are no sound record: the tear of a crash, or damage` : "no torn end"}`,
  );
  return isHeaderSound && isNamedRight && isContentSound && damages === 0 && !isTorn;
}

function recordLine(record: RecordHeader, offsetBytes: number, checksums: string): string {
  const { kind, blobId, sizeBytes, writtenAtMs, gapBytes } = record;
  return [
    right(offsetBytes, 10),
    right(sizeBytes, 8),
    ` ${kind.padEnd(10)}`,
    checksums.padEnd(10),
    crcText(record.crc32c),
    ` ${new Date(writtenAtMs).toISOString()}`,
    right(gapBytes, 4),
    ` ${blobId}`,
  ].join(" ");
}

/** Prints what can be made out of a range with no sound record: headers that are sound, and which of their blocks are not. */
async function dumpDamage(
  disk: Disk,
  fd: number,
  seed: number,
  { fromBytes, toBytes }: { readonly fromBytes: number; readonly toBytes: number },
  print: Print,
): Promise<void> {
  const header = Buffer.alloc(recordHeaderBytes);
  let unknownFrom = fromBytes;
  const printUnknown = async (endBytes: number) => {
    if (endBytes > unknownFrom)
      await print(
        `${right(unknownFrom, 10)} ${right(endBytes - unknownFrom, 8)}  bytes with no sound header`,
      );
  };
  for (let at: number | undefined = fromBytes; at !== undefined && at < toBytes; ) {
    await disk.read(fd, header, at);
    const record = decodeRecordHeader(header, 0, seed, at);
    if (record === undefined) {
      at = await nextMagic(disk, fd, at + 1, toBytes);
      continue;
    }
    await printUnknown(at);
    const content = Buffer.alloc(record.sizeBytes);
    const count = await disk.read(fd, content, at + recordHeaderBytes);
    const bad = badBlocks(record, content);
    const why = count < record.sizeBytes ? "cut off" : `bad ${bad.join(",")}`;
    await print(recordLine(record, at, why));
    unknownFrom = Math.min(at + recordHeaderBytes + record.sizeBytes, toBytes);
    at = unknownFrom;
  }
  await printUnknown(toBytes);
}

/** Where the next record may begin; undefined when nothing before `toBytes` looks like one. */
async function nextMagic(
  disk: Disk,
  fd: number,
  fromBytes: number,
  toBytes: number,
): Promise<number | undefined> {
  const window = Buffer.alloc(searchBytes);
  for (let position = fromBytes; position < toBytes; position += searchBytes - recordMagic.length + 1) {
    const count = await disk.read(fd, window, position);
    const found = window.subarray(0, count).indexOf(recordMagic);
    if (found !== -1 && position + found < toBytes) return position + found;
  }
  return undefined;
}
