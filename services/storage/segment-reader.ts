import { CairnError } from "../common/errors/cairn-error";
import { alignBytes } from "./aligned-buffers";
import { blockBytes } from "./block-checksums";
import type { Disk } from "./disk";
import type { BlobSummary, ByteRange } from "./engine";
import { resolveRange } from "./file-blob-reader";
import type { HeldFile, OpenFiles } from "./open-files";
import { ScratchBuffers } from "./scratch-buffers";
import type { SegmentFiles } from "./segment-files";
import {
  badBlock,
  decodeRecordHeader,
  maxRecordBytes,
  type RecordHeader,
  recordHeaderBytes,
} from "./segment-format";
import type { Location } from "./segment-index";
import { SmallMemory } from "./small-memory";

const windowBytes = Math.ceil(maxRecordBytes / alignBytes) * alignBytes + alignBytes;

/** Reads records and checks each byte that it gives (I3). Throws DAMAGED_BLOB, or what the disk throws. */
export class SegmentReader {
  readonly #disk: Disk;
  readonly #files: SegmentFiles;
  readonly #open: OpenFiles;
  readonly #windows: ScratchBuffers<Uint8Array>;
  readonly #memory = new SmallMemory();

  constructor(disk: Disk, files: SegmentFiles, open: OpenFiles) {
    this.#disk = disk;
    this.#files = files;
    this.#open = open;
    this.#windows = new ScratchBuffers(() => disk.alignedMemory(windowBytes), 2);
  }

  /** The verified bytes of a range, in memory of the caller's own: with one call, unless the range begins behind the first block. */
  async read(blobId: string, location: Location, seed: number, range: ByteRange): Promise<Uint8Array> {
    const held = await this.#open.acquire(String(location.segment), this.#files.pathOf(location.segment));
    return this.#readHeld(held, blobId, location, seed, range);
  }

  /** As `read`; undefined when the segment's file is not open yet. */
  readIfOpen(
    blobId: string,
    location: Location,
    seed: number,
    range: ByteRange,
  ): Promise<Uint8Array> | undefined {
    const held = this.#open.acquireOpen(String(location.segment));
    return held && this.#readHeld(held, blobId, location, seed, range);
  }

  async #readHeld(
    { file, release }: HeldFile,
    blobId: string,
    location: Location,
    seed: number,
    range: ByteRange,
  ): Promise<Uint8Array> {
    try {
      const { sizeBytes, offsetBytes } = location;
      const resolved = resolveRange(range, sizeBytes);
      const endBytes = resolved.offsetBytes + resolved.lengthBytes;
      const first = Math.floor(resolved.offsetBytes / blockBytes);
      const toBytes = Math.min(Math.ceil(endBytes / blockBytes) * blockBytes, sizeBytes);
      const fromBytes = Math.min(first * blockBytes, toBytes);
      let header: Buffer;
      let content: Buffer;
      if (first === 0) {
        const bytes = this.#memory.take(recordHeaderBytes + toBytes);
        const count = await this.#disk.read(file.fd, bytes, offsetBytes);
        header = bytes.subarray(0, Math.min(recordHeaderBytes, count));
        content = bytes.subarray(header.length, count);
      } else {
        [header, content] = await Promise.all([
          this.#bytesAt(file.fd, offsetBytes, recordHeaderBytes),
          this.#bytesAt(file.fd, offsetBytes + recordHeaderBytes + fromBytes, toBytes - fromBytes),
        ]);
      }
      const record = headerOf(header, 0, blobId, location, seed);
      if (content.length !== toBytes - fromBytes) throw damaged(blobId, "its segment ends within it");
      checkBlocks(record, content, first, blobId);
      return content.subarray(resolved.offsetBytes - fromBytes, endBytes - fromBytes);
    } finally {
      release();
    }
  }

  /** Reads the whole record from the medium, past the page cache where the file system can. */
  async verify(blobId: string, location: Location, seed: number): Promise<BlobSummary> {
    const fd = await this.#disk.open(this.#files.pathOf(location.segment), "medium");
    try {
      const skipBytes = location.offsetBytes % alignBytes;
      const wantedBytes = skipBytes + recordHeaderBytes + location.sizeBytes;
      const readBytes = Math.ceil(wantedBytes / alignBytes) * alignBytes;
      const window = this.#windows.take();
      const count = await this.#disk.read(
        fd,
        window.subarray(0, readBytes),
        location.offsetBytes - skipBytes,
      );
      const bytes = Buffer.from(window.buffer, window.byteOffset, Math.min(count, wantedBytes));
      try {
        const record = headerOf(bytes, skipBytes, blobId, location, seed);
        if (bytes.length < wantedBytes) throw damaged(blobId, "its segment ends within it");
        checkBlocks(record, bytes.subarray(skipBytes + recordHeaderBytes), 0, blobId);
      } finally {
        this.#windows.give(window);
      }
      return { sizeBytes: location.sizeBytes, crc32c: location.crc32c };
    } finally {
      await this.#disk.close(fd).catch(() => {});
    }
  }

  async #bytesAt(fd: number, positionBytes: number, lengthBytes: number): Promise<Buffer> {
    const bytes = this.#memory.take(lengthBytes);
    const count = await this.#disk.read(fd, bytes, positionBytes);
    return count === lengthBytes ? bytes : bytes.subarray(0, count);
  }
}

function headerOf(bytes: Buffer, at: number, blobId: string, location: Location, seed: number): RecordHeader {
  const record = decodeRecordHeader(bytes, at, seed, location.offsetBytes);
  if (record === undefined) throw damaged(blobId, "the header of its record is damaged");
  if (record.blobId !== blobId || record.kind !== "blob" || record.sizeBytes !== location.sizeBytes)
    throw damaged(blobId, "another record lies in its place");
  return record;
}

function checkBlocks(record: RecordHeader, content: Uint8Array, first: number, blobId: string): void {
  const bad = badBlock(record, content, first);
  if (bad !== undefined) throw damaged(blobId, `block ${bad} does not match its checksum`);
}

function damaged(blobId: string, why: string): CairnError {
  return new CairnError("DAMAGED_BLOB", { message: `Blob ${blobId}: ${why}.`, resource: blobId });
}
