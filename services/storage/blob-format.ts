import { crc32c } from "@node-rs/crc32";
import { blocksOf } from "./block-checksums";

/**
 * A blob's file, version 1 (docs/storage-format.md). Numbers are little-endian.
 *
 *   header 64 bytes | content | checksum of each 64 KiB block, 4 bytes each | footer 32 bytes
 *
 * The content lies in one piece, so that large reads and writes copy nothing; the table stands behind it because a
 * stream's length is known only at its end. A file of one block fits one read.
 */
export const headerBytes = 64;
export const footerBytes = 32;
export const formatVersion = 1;

/** Most bytes of one blob (P1). */
export const maxBlobBytes = 1024 * 1024 * 1024;

const headerMagic = Buffer.from("CAIRNBLB", "latin1");
const footerMagic = Buffer.from("CAIRNEND", "latin1");
const blockShift = 16;

/** What the header says: whose file it is. */
export type BlobHeader = { readonly blobId: string; readonly fileSeed: number };

/** What the footer says of the whole. */
export type BlobFooter = { readonly sizeBytes: number; readonly crc32c: number };

/** Thrown by the readers of this module: the file is not what was written. */
export class DamagedFile extends Error {}

/** A new file's header. `fileId`: 16 random bytes, so that no other file's block or footer fits here (P8). */
export function encodeHeader(blobId: string, fileId: Uint8Array): { bytes: Buffer; fileSeed: number } {
  const bytes = Buffer.alloc(headerBytes);
  headerMagic.copy(bytes);
  bytes.writeUInt16LE(formatVersion, 8);
  bytes.writeUInt16LE(blockShift, 10);
  bytes.write(blobId.replaceAll("-", ""), 16, "hex");
  bytes.set(fileId, 32);
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 60)), 60);
  return { bytes, fileSeed: seedOf(bytes) };
}

/** The table of block checksums and the footer, which end a file. */
export function encodeTail(fileSeed: number, blocks: readonly number[], footer: BlobFooter): Buffer {
  const tableBytes = blocks.length * 4;
  const bytes = Buffer.alloc(tableBytes + footerBytes);
  for (const [index, checksum] of blocks.entries()) bytes.writeUInt32LE(checksum, index * 4);
  const end = bytes.subarray(tableBytes);
  footerMagic.copy(end);
  end.writeBigUInt64LE(BigInt(footer.sizeBytes), 8);
  end.writeUInt32LE(footer.crc32c, 16);
  end.writeUInt32LE(crc32c(bytes.subarray(0, tableBytes), fileSeed), 20);
  end.writeUInt32LE(crc32c(end.subarray(0, 28), fileSeed), 28);
  return bytes;
}

/** Reads the first 64 bytes of the file that has this blob's name. */
export function decodeHeader(bytes: Buffer, blobId: string): BlobHeader {
  if (bytes.length < headerBytes)
    throw new DamagedFile(`the file ends within its header, at ${bytes.length}`);
  if (bytes.readUInt32LE(60) !== crc32c(bytes.subarray(0, 60)))
    throw new DamagedFile("the header is damaged");
  if (!bytes.subarray(0, 8).equals(headerMagic)) throw new DamagedFile("the header is not a blob's");
  const version = bytes.readUInt16LE(8);
  if (version !== formatVersion)
    throw new DamagedFile(`the file has format ${version}, known is ${formatVersion}`);
  if (bytes.toString("hex", 16, 32) !== blobId.replaceAll("-", ""))
    throw new DamagedFile("the file is another blob's");
  return { blobId, fileSeed: seedOf(bytes) };
}

/** Reads the last 32 bytes of a file of `fileBytes`. */
export function decodeFooter(bytes: Buffer, fileSeed: number, fileBytes: number): BlobFooter {
  if (bytes.readUInt32LE(28) !== crc32c(bytes.subarray(0, 28), fileSeed))
    throw new DamagedFile("the footer is damaged");
  const sizeBytes = Number(bytes.readBigUInt64LE(8));
  if (fileBytesOf(sizeBytes) !== fileBytes)
    throw new DamagedFile(`the file has ${fileBytes} bytes where ${fileBytesOf(sizeBytes)} were written`);
  return { sizeBytes, crc32c: bytes.readUInt32LE(16) };
}

/** Throws unless the table is the one that was written with this footer. */
export function checkTable(table: Uint8Array, footer: Buffer, fileSeed: number): void {
  if (footer.readUInt32LE(20) !== crc32c(table, fileSeed))
    throw new DamagedFile("the table of checksums is damaged");
}

/** The length of the file of a blob of this size. */
export function fileBytesOf(sizeBytes: number): number {
  return headerBytes + sizeBytes + blocksOf(sizeBytes) * 4 + footerBytes;
}

/** The size of the blob whose file is this long; undefined when no blob's file is. */
export function sizeOfFile(fileBytes: number): number | undefined {
  const rest = fileBytes - headerBytes - footerBytes;
  if (rest < 0) return undefined;
  const sizeBytes = rest - Math.ceil(rest / 65_540) * 4;
  return sizeBytes >= 0 && fileBytesOf(sizeBytes) === fileBytes ? sizeBytes : undefined;
}

/** What all checksums of a file begin with: its blob's id and its own. */
export function seedOf(header: Buffer): number {
  return crc32c(header.subarray(16, 48));
}
