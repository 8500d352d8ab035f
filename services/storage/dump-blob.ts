import { crc32c } from "@node-rs/crc32";
import {
  checkTable,
  DamagedFile,
  decodeFooter,
  decodeHeader,
  footerBytes,
  formatVersion,
  headerBytes,
  seedOf,
  sizeOfFile,
} from "./blob-format";
import { blockBytes, blockChecksum, blocksOf } from "./block-checksums";
import type { Disk } from "./disk";
import { crcText, field, type Print, right, verdict } from "./dump-text";
import { uuidOf } from "./segment-format";

/**
 * Prints a blob's file part by part (docs/storage-format.md), what is damaged too. `fileId`: the blob id in its name.
 * True when all of it is sound.
 */
export async function dumpBlob(
  disk: Disk,
  fd: number,
  fileId: string | undefined,
  print: Print,
): Promise<boolean> {
  const fileBytes = await disk.sizeOf(fd);
  const header = Buffer.alloc(headerBytes);
  await disk.read(fd, header, 0);
  const blobId = uuidOf(header.toString("hex", 16, 32));
  const isNamedRight = fileId === undefined || fileId === blobId;
  const version = header.readUInt16LE(8);
  const isHeaderSound = isSound(() => decodeHeader(header, blobId));
  await print("blob");
  await print(field("magic", header.toString("latin1", 0, 8)));
  await print(
    field("version", version === formatVersion ? version : `${version}, known is ${formatVersion}`),
  );
  await print(field("block", `${2 ** header.readUInt16LE(10)} bytes`));
  await print(field("blob", isNamedRight ? blobId : `${blobId}, bad: the file is named ${fileId}`));
  await print(field("random id", header.toString("hex", 32, 48)));
  await print(field("header checksum", verdict(header.readUInt32LE(60) === crc32c(header.subarray(0, 60)))));
  await print(field("length", `${fileBytes} bytes`));
  const sizeBytes = sizeOfFile(fileBytes);
  if (sizeBytes === undefined) {
    await print(`bad: no blob's file has ${fileBytes} bytes`);
    return false;
  }
  // The blocks tell whether the ids are still right when the header is damaged elsewhere.
  const fileSeed = seedOf(header);
  const tail = Buffer.alloc(blocksOf(sizeBytes) * 4 + footerBytes);
  await disk.read(fd, tail, headerBytes + sizeBytes);
  const table = tail.subarray(0, tail.length - footerBytes);
  const footer = tail.subarray(table.length);

  await print("");
  await print("  block    position    bytes  checksum");
  const content = Buffer.alloc(blockBytes);
  let whole = 0;
  let badBlocks = 0;
  for (let block = 0; block < blocksOf(sizeBytes); block++) {
    const from = block * blockBytes;
    const bytes = content.subarray(0, Math.min(blockBytes, sizeBytes - from));
    await disk.read(fd, bytes, headerBytes + from);
    whole = crc32c(bytes, whole);
    const stated = table.readUInt32LE(block * 4);
    const isRight = blockChecksum(bytes, fileSeed, block) === stated;
    if (!isRight) badBlocks += 1;
    await print(
      `${right(block, 7)} ${right(headerBytes + from, 11)} ${right(bytes.length, 8)}  ${crcText(stated)} ${verdict(isRight)}`,
    );
  }
  const isTableSound = isSound(() => checkTable(table, footer, fileSeed));
  const isFooterSound = isSound(() => decodeFooter(footer, fileSeed, fileBytes));
  const isWholeSound = footer.readUInt32LE(16) === whole;
  await print("");
  await print(field("footer magic", footer.toString("latin1", 0, 8)));
  await print(field("size", `${footer.readBigUInt64LE(8)} bytes`));
  await print(field("crc32c", `${crcText(footer.readUInt32LE(16))} ${verdict(isWholeSound)}`));
  await print(field("table checksum", verdict(isTableSound)));
  await print(field("footer checksum", verdict(isFooterSound)));
  await print("");
  await print(`${blocksOf(sizeBytes)} blocks, ${badBlocks} of them bad`);
  return isHeaderSound && isNamedRight && isTableSound && isFooterSound && isWholeSound && badBlocks === 0;
}

function isSound(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (error instanceof DamagedFile) return false;
    throw error;
  }
}
