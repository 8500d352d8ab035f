import { crc32c } from "@node-rs/crc32";

/** Where a log ends, or a database stands: a record is named by all three, so that another's is never taken for it. */
export type Position = {
  readonly epoch: number;
  readonly number: number;
  /** CRC-32C of the record, which covers that of the record before: a chain. */
  readonly checksum: number;
};

export const origin: Position = { epoch: 0, number: 0, checksum: 0 };

/**
 * - epoch: the first record of an epoch; its body tells the claim and the members (JSON).
 * - members: from here on these folders count (JSON).
 * - mark: changes nothing; every database notes that it stands here, so that the log can be cut behind a snapshot.
 * - transaction: what one transaction of one database wrote (statements.ts).
 */
export const recordKinds = ["epoch", "members", "mark", "transaction"] as const;
export type RecordKind = (typeof recordKinds)[number];

export type LogRecord = { readonly position: Position; readonly kind: RecordKind; readonly body: Buffer };

/**
 * A record, little-endian: length of all (u32), checksum of what follows (u32), checksum of the record before (u32),
 * epoch (u32), number (u48), kind (u8), zero (u8), body. A length of 0 is padding up to the next block.
 */
export const recordHeaderBytes = 24;
export const maxRecordBytes = 64 * 1024 * 1024;

export function encodeRecord(
  previous: Position,
  epoch: number,
  kind: RecordKind,
  body: Buffer,
): { bytes: Buffer; position: Position } {
  const length = recordHeaderBytes + body.length;
  const bytes = Buffer.allocUnsafe(length);
  const number = previous.number + 1;
  bytes.writeUInt32LE(length, 0);
  bytes.writeUInt32LE(previous.checksum, 8);
  bytes.writeUInt32LE(epoch, 12);
  bytes.writeUIntLE(number, 16, 6);
  bytes[22] = recordKinds.indexOf(kind);
  bytes[23] = 0;
  body.copy(bytes, recordHeaderBytes);
  const checksum = crc32c(bytes.subarray(8));
  bytes.writeUInt32LE(checksum, 4);
  return { bytes, position: { epoch, number, checksum } };
}

/** The length that a record at this place claims: 0 for padding, undefined where the header is not whole. */
export function lengthAt(bytes: Buffer, at: number): number | undefined {
  return at + 4 <= bytes.length ? bytes.readUInt32LE(at) : undefined;
}

/** The record that lies here, when it is sound and follows `previous`. `bytes` holds as much as it claims. */
export function decodeRecord(bytes: Buffer, previous: Position): LogRecord | undefined {
  const checksum = bytes.readUInt32LE(4);
  const epoch = bytes.readUInt32LE(12);
  const number = bytes.readUIntLE(16, 6);
  const kind = recordKinds[bytes[22] as number];
  const follows =
    bytes.readUInt32LE(8) === previous.checksum && number === previous.number + 1 && epoch >= previous.epoch;
  if (!follows || kind === undefined || crc32c(bytes.subarray(8)) !== checksum) return undefined;
  return { position: { epoch, number, checksum }, kind, body: bytes.subarray(recordHeaderBytes) };
}

/** Which of two logs goes further: the later epoch counts before the greater number. */
export function isAfter(a: Position, b: Position): boolean {
  return a.epoch !== b.epoch ? a.epoch > b.epoch : a.number > b.number;
}

export function isSame(a: Position, b: Position): boolean {
  return a.epoch === b.epoch && a.number === b.number && a.checksum === b.checksum;
}
