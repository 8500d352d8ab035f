import { crc32c } from "@node-rs/crc32";
import { ConfigError } from "../common/config/options";
import { blockBytes } from "./block-checksums";

/**
 * A segment file, version 2 (docs/storage-format.md): a header of 64 bytes, then records one behind the other. A
 * record is a header of 128 bytes and the content. Numbers are little-endian. What is written by direct I/O begins and
 * ends at multiples of 4,096; the zeros before it are a gap that the next record states. Version 1 had no gaps.
 *
 * What a record says of itself is bound to its segment's random id and to its position, so that neither a record in
 * another place nor one inside a user's body is taken for one (P8).
 */
export const segmentHeaderBytes = 64;
export const recordHeaderBytes = 128;
/** A record's header has room for this many block checksums. */
const maxBlocks = 16;
const checksumAt = recordHeaderBytes - 4;
export const maxRecordContentBytes = maxBlocks * blockBytes;
export const maxRecordBytes = recordHeaderBytes + maxRecordContentBytes;

export const recordMagic = Buffer.from("CAIRNREC", "latin1");
const segmentMagic = Buffer.from("CAIRNSEG", "latin1");
/** A newer Cairn's segments: the volume must not be opened by this one. */
export class NewerFormat extends ConfigError {}

const segmentVersion = 2;
const recordVersion = 1;
const kinds = { blob: 1, tombstone: 2 } as const;

export type RecordKind = keyof typeof kinds;

export type RecordHeader = {
  readonly kind: RecordKind;
  readonly blobId: string;
  readonly sizeBytes: number;
  /** Of the whole content. */
  readonly crc32c: number;
  readonly writtenAtMs: number;
  /** Zeros before it, behind the end of the record before. */
  readonly gapBytes: number;
  /** One a block. */
  readonly blocks: readonly number[];
  /** What the block checksums begin with. */
  readonly seed: number;
};

export function encodeSegmentHeader(segment: number, segmentId: Uint8Array): Buffer {
  const bytes = Buffer.alloc(segmentHeaderBytes);
  segmentMagic.copy(bytes);
  bytes.writeUInt16LE(segmentVersion, 8);
  bytes.set(segmentId, 16);
  bytes.writeBigUInt64LE(BigInt(segment), 32);
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 60)), 60);
  return bytes;
}

/** The segment's random id in hex; undefined when this is no header of this segment. Throws NewerFormat. */
export function decodeSegmentHeader(bytes: Buffer, segment: number): string | undefined {
  if (bytes.length < segmentHeaderBytes || bytes.readUInt32LE(60) !== crc32c(bytes.subarray(0, 60)))
    return undefined;
  if (!bytes.subarray(0, 8).equals(segmentMagic)) return undefined;
  const version = bytes.readUInt16LE(8);
  if (version > segmentVersion)
    throw new NewerFormat(
      `Segment ${segment} was written by a newer Cairn (format ${version}, known is ${segmentVersion}). Start that one.`,
    );
  return bytes.readBigUInt64LE(32) === BigInt(segment) ? bytes.toString("hex", 16, 32) : undefined;
}

/** What all checksums of a segment's records begin with. */
export function segmentSeed(segmentId: string): number {
  return crc32c(Buffer.from(segmentId, "hex"));
}

/** Writes the header of a record whose content lies in `into` behind it already. */
export function encodeRecordHeader(
  into: Buffer,
  at: number,
  record: {
    readonly kind: RecordKind;
    readonly blobId: string;
    readonly sizeBytes: number;
    readonly crc32c: number;
    readonly writtenAtMs: number;
  },
  seed: number,
  positionBytes: number,
  gapBytes = 0,
): void {
  into.fill(0, at, at + recordHeaderBytes);
  recordMagic.copy(into, at);
  into.writeUInt16LE(recordVersion, at + 8);
  into.writeUInt16LE(kinds[record.kind], at + 10);
  into.writeUInt32LE(record.sizeBytes, at + 12);
  into.write(record.blobId.replaceAll("-", ""), at + 16, "hex");
  writeUint48(into, positionBytes, at + 32);
  writeUint48(into, record.writtenAtMs, at + 40);
  into.writeUInt32LE(record.crc32c, at + 48);
  into.writeUInt32LE(gapBytes, at + 52);
  const recordSeed = crc32c(into.subarray(at + 16, at + 48), seed);
  const content = at + recordHeaderBytes;
  for (let block = 0; block * blockBytes < record.sizeBytes; block++) {
    const from = content + block * blockBytes;
    const to = Math.min(from + blockBytes, content + record.sizeBytes);
    into.writeUInt32LE(crc32c(into.subarray(from, to), recordSeed ^ block), at + 56 + block * 4);
  }
  into.writeUInt32LE(crc32c(into.subarray(at, at + checksumAt), seed), at + checksumAt);
}

/** The record that begins at `at` of `bytes` and at `positionBytes` of its segment; undefined when there is no sound header. */
export function decodeRecordHeader(
  bytes: Buffer,
  at: number,
  seed: number,
  positionBytes: number,
): RecordHeader | undefined {
  if (bytes.length < at + recordHeaderBytes) return undefined;
  if (bytes.readUInt32LE(at + checksumAt) !== crc32c(bytes.subarray(at, at + checksumAt), seed))
    return undefined;
  if (recordMagic.compare(bytes, at, at + 8) !== 0 || bytes.readUInt16LE(at + 8) !== recordVersion)
    return undefined;
  if (readUint48(bytes, at + 32) !== positionBytes) return undefined;
  const kind = bytes.readUInt16LE(at + 10);
  const sizeBytes = bytes.readUInt32LE(at + 12);
  if ((kind !== kinds.blob && kind !== kinds.tombstone) || sizeBytes > maxRecordContentBytes)
    return undefined;
  const blocks: number[] = [];
  for (let block = 0; block * blockBytes < sizeBytes; block++)
    blocks.push(bytes.readUInt32LE(at + 56 + block * 4));
  return {
    kind: kind === kinds.blob ? "blob" : "tombstone",
    blobId: uuidOf(bytes.toString("hex", at + 16, at + 32)),
    sizeBytes,
    crc32c: bytes.readUInt32LE(at + 48),
    writtenAtMs: readUint48(bytes, at + 40),
    gapBytes: bytes.readUInt32LE(at + 52),
    blocks,
    seed: crc32c(bytes.subarray(at + 16, at + 48), seed),
  };
}

/** The first block of `content`, which begins with block `first`, that is not what was written; undefined when all are. */
export function badBlock(record: RecordHeader, content: Uint8Array, first = 0): number | undefined {
  for (let offset = 0, block = first; offset < content.length; offset += blockBytes, block++) {
    const bytes = content.subarray(offset, offset + blockBytes);
    if (crc32c(bytes, record.seed ^ block) !== record.blocks[block]) return block;
  }
  return undefined;
}

/** All blocks of a record's whole content that are not what was written. */
export function badBlocks(record: RecordHeader, content: Uint8Array): number[] {
  return record.blocks.flatMap((_, block) => {
    const bytes = content.subarray(block * blockBytes, (block + 1) * blockBytes);
    return badBlock(record, bytes, block) === undefined ? [] : [block];
  });
}

export function uuidOf(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Numbers up to 2^48 in 8 bytes, without the price of a BigInt. */
function writeUint48(into: Buffer, value: number, at: number): void {
  into.writeUIntLE(value, at, 6);
}

function readUint48(bytes: Buffer, at: number): number {
  return bytes.readUIntLE(at, 6);
}
