import type { EndSignal } from "../common/lifecycle/end-signal";
import { endReason } from "../common/rpc/call";
import {
  checkTable,
  DamagedFile,
  decodeFooter,
  decodeHeader,
  footerBytes,
  headerBytes,
  sizeOfFile,
} from "./blob-format";
import { blocksOf, ContentChecksums } from "./block-checksums";
import type { Disk } from "./disk";
import type { BlobSummary } from "./engine";
import type { ScratchBuffers } from "./scratch-buffers";

export const windowBytes = 1024 * 1024;

/**
 * Reads a file from its first byte to its last, past the page cache where the file system can (P8), and checks
 * everything: header, each block, table, footer, and that the blocks make the whole. Throws DamagedFile.
 */
export async function verifyFile(
  disk: Disk,
  path: string,
  blobId: string,
  windows: ScratchBuffers<Uint8Array>,
  signal: EndSignal,
  pace?: (bytes: number) => Promise<void>,
): Promise<BlobSummary> {
  const fd = await disk.open(path, "medium");
  try {
    const fileBytes = await disk.sizeOf(fd);
    const sizeBytes = sizeOfFile(fileBytes);
    if (sizeBytes === undefined) throw new DamagedFile(`no blob's file has ${fileBytes} bytes`);
    const window = windows.take();
    const tail = Buffer.alloc(blocksOf(sizeBytes) * 4 + footerBytes);
    const contentEnd = headerBytes + sizeBytes;
    let fileSeed = 0;
    let checksums: ContentChecksums | undefined;
    for (let position = 0; position < fileBytes; position += windowBytes) {
      await pace?.(Math.min(windowBytes, fileBytes - position));
      if (signal.aborted) throw endReason(signal);
      const count = await disk.read(fd, window, position);
      const expected = Math.min(windowBytes, fileBytes - position);
      if (count < expected) throw new DamagedFile(`the file ends at ${position + count} of ${fileBytes}`);
      if (checksums === undefined) {
        fileSeed = decodeHeader(Buffer.from(window.buffer, window.byteOffset, expected), blobId).fileSeed;
        checksums = new ContentChecksums(fileSeed);
      }
      // Copied: checksums keep the piece of a block that ends in the next window, which overwrites this one.
      const contentFrom = Math.max(headerBytes - position, 0);
      const contentTo = Math.min(contentEnd - position, expected);
      if (contentTo > contentFrom) checksums.add(window.slice(contentFrom, contentTo));
      const tailFrom = Math.max(contentEnd - position, 0);
      if (tailFrom < expected)
        tail.set(window.subarray(tailFrom, expected), position + tailFrom - contentEnd);
    }
    if (checksums === undefined) throw new DamagedFile("the file is empty");
    windows.give(window);
    return compare(checksums, tail, fileSeed, fileBytes);
  } finally {
    await disk.close(fd).catch(() => {});
  }
}

function compare(
  checksums: ContentChecksums,
  tail: Buffer,
  fileSeed: number,
  fileBytes: number,
): BlobSummary {
  const { blocks, whole } = checksums.finish();
  const table = tail.subarray(0, blocks.length * 4);
  const footerPart = tail.subarray(table.length);
  const footer = decodeFooter(footerPart, fileSeed, fileBytes);
  checkTable(table, footerPart, fileSeed);
  for (const [block, checksum] of blocks.entries()) {
    if (table.readUInt32LE(block * 4) !== checksum)
      throw new DamagedFile(`block ${block} does not match its checksum`);
  }
  if (whole !== footer.crc32c) throw new DamagedFile("the blocks do not make the whole");
  return { sizeBytes: footer.sizeBytes, crc32c: whole };
}
