import { CairnError } from "../common/errors/cairn-error";
import {
  type BlobFooter,
  checkTable,
  DamagedFile,
  decodeFooter,
  decodeHeader,
  fileBytesOf,
  footerBytes,
  headerBytes,
  sizeOfFile,
} from "./blob-format";
import { blockBytes, blockChecksum, blocksOf } from "./block-checksums";
import type { Disk } from "./disk";
import type { ByteRange } from "./engine";
import type { OpenFile } from "./open-files";
import type { ScratchBuffers } from "./scratch-buffers";

/** Read at once: the whole file of a blob of one block, and a byte more that tells whether it is one. */
export const firstReadBytes = fileBytesOf(blockBytes) + 1;
const blocksPerGroup = 16;

/** What is needed to verify any block: kept with the open file. */
export type Layout = { readonly footer: BlobFooter; readonly fileSeed: number; readonly table: Buffer };

/** A blob of at most one block, whole and verified, in memory of its own. */
export type SmallBlob = { readonly footer: BlobFooter; readonly content: Uint8Array };

/**
 * Reads a file with one call when it is small. Otherwise reads its layout, which is remembered with the open file:
 * ranges of a large blob then cost what they touch. Throws DamagedFile.
 */
export async function readSmallOrLayout(
  disk: Disk,
  open: OpenFile,
  scratch: ScratchBuffers<Buffer>,
): Promise<SmallBlob | Layout> {
  if (open.layout !== undefined) return open.layout as Layout;
  const buffer = scratch.take();
  const count = await disk.read(open.fd, buffer, 0);
  try {
    const start = buffer.subarray(0, count);
    if (count < firstReadBytes) return decodeSmall(start, open.name);
    const { fileSeed } = decodeHeader(start, open.name);
    const layout = await readLayout(disk, open.fd, fileSeed);
    open.layout = layout;
    return layout;
  } finally {
    // After a failed read it is not given back: a call that hangs may still write to it.
    scratch.give(buffer);
  }
}

/** The verified bytes of a range, in pieces of at most 1 MiB, with one piece read ahead. */
export async function* readRange(
  disk: Disk,
  fd: number,
  layout: Layout,
  range: ByteRange,
): AsyncGenerator<Uint8Array, void, undefined> {
  const end = range.offsetBytes + range.lengthBytes;
  const firstBlock = Math.floor(range.offsetBytes / blockBytes);
  const endBlock = Math.ceil(end / blockBytes);
  const begin = (block: number) =>
    block < endBlock
      ? readBlocks(disk, fd, layout, block, Math.min(block + blocksPerGroup, endBlock))
      : undefined;
  let ahead = begin(firstBlock);
  for (let block = firstBlock; ahead !== undefined; block += blocksPerGroup) {
    const content = await ahead;
    ahead = begin(block + blocksPerGroup);
    // Whoever leaves here must not leave an unhandled failure behind.
    ahead?.catch(() => {});
    verifyBlocks(content, layout, block);
    const startBytes = block * blockBytes;
    yield content.subarray(
      Math.max(range.offsetBytes - startBytes, 0),
      Math.min(end - startBytes, content.length),
    );
  }
}

/** Where the range lies, or RANGE_NOT_SATISFIABLE. Length 0 is to the end; a range of nothing at the end is empty. */
export function resolveRange(range: ByteRange, sizeBytes: number): ByteRange {
  const { offsetBytes } = range;
  const lengthBytes = range.lengthBytes === 0 ? sizeBytes - offsetBytes : range.lengthBytes;
  if (offsetBytes > sizeBytes || offsetBytes + lengthBytes > sizeBytes)
    throw new CairnError("RANGE_NOT_SATISFIABLE", {
      message: `Bytes ${offsetBytes} to ${offsetBytes + lengthBytes} do not lie in a blob of ${sizeBytes}.`,
      params: { size_bytes: String(sizeBytes) },
    });
  return { offsetBytes, lengthBytes };
}

/** Checks the blocks of `content`, which begins with block `first`. Throws DamagedFile. */
export function verifyBlocks(content: Uint8Array, layout: Layout, first: number): void {
  for (let offset = 0, block = first; offset < content.length; offset += blockBytes, block++) {
    const bytes = content.subarray(offset, offset + blockBytes);
    if (blockChecksum(bytes, layout.fileSeed, block) !== layout.table.readUInt32LE(block * 4))
      throw new DamagedFile(`block ${block} does not match its checksum`);
  }
}

/** Reads the table and the footer of a file of more than one block. */
export async function readLayout(disk: Disk, fd: number, fileSeed: number): Promise<Layout> {
  const fileBytes = await disk.sizeOf(fd);
  const sizeBytes = sizeOfFile(fileBytes);
  if (sizeBytes === undefined) throw new DamagedFile(`no blob's file has ${fileBytes} bytes`);
  const tableBytes = blocksOf(sizeBytes) * 4;
  const tail = Buffer.allocUnsafe(tableBytes + footerBytes);
  const count = await disk.read(fd, tail, headerBytes + sizeBytes);
  if (count !== tail.length) throw new DamagedFile("the file ends within its footer");
  const table = tail.subarray(0, tableBytes);
  const footer = tail.subarray(tableBytes);
  const layout = { footer: decodeFooter(footer, fileSeed, fileBytes), fileSeed, table };
  checkTable(table, footer, fileSeed);
  return layout;
}

function decodeSmall(file: Buffer, blobId: string): SmallBlob {
  const { fileSeed } = decodeHeader(file, blobId);
  const sizeBytes = sizeOfFile(file.length);
  if (sizeBytes === undefined) throw new DamagedFile(`no blob's file has ${file.length} bytes`);
  const tableBytes = blocksOf(sizeBytes) * 4;
  const tableStart = headerBytes + sizeBytes;
  const footer = decodeFooter(file.subarray(tableStart + tableBytes), fileSeed, file.length);
  const table = file.subarray(tableStart, tableStart + tableBytes);
  // Copied before it is verified: the scratch memory goes to the next reader.
  const content = new Uint8Array(file.subarray(headerBytes, tableStart));
  verifyBlocks(content, { footer, fileSeed, table }, 0);
  return { footer, content };
}

async function readBlocks(
  disk: Disk,
  fd: number,
  layout: Layout,
  first: number,
  end: number,
): Promise<Uint8Array> {
  const startBytes = first * blockBytes;
  const length = Math.min(end * blockBytes, layout.footer.sizeBytes) - startBytes;
  const content = Buffer.allocUnsafeSlow(length);
  const count = await disk.read(fd, content, headerBytes + startBytes);
  if (count !== length)
    throw new DamagedFile(`the file ends within block ${Math.floor((startBytes + count) / blockBytes)}`);
  return content;
}
