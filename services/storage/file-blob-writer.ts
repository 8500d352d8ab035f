import { CairnError } from "../common/errors/cairn-error";
import { type AlignedBuffers, alignedUp } from "./aligned-buffers";
import { encodeHeader, encodeTail, maxBlobBytes } from "./blob-format";
import { ContentChecksums } from "./block-checksums";
import { checkSummary } from "./check-summary";
import type { Disk } from "./disk";
import type { BlobSummary, BlobWriter } from "./engine";
import { Pieces } from "./pieces";

/** Bytes that are gathered before they are written, and the size of the buffers that they are written from. */
export const writeBytes = 1024 * 1024;

export type TemporaryFileParts = {
  readonly disk: Disk;
  readonly path: string;
  readonly blobId: string;
  /** 16 random bytes. */
  readonly fileId: Uint8Array;
  readonly ensureFolder: () => Promise<void>;
  /** Of `writeBytes` each. */
  readonly buffers: AlignedBuffers;
};

/**
 * Writes one temporary file. Small content: one synced write at the end. Larger content by direct I/O, a MiB at a
 * time while the next arrives, the last block padded and then cut off, and one sync. It holds at most 2 MiB and what
 * one chunk brings over it (I7), and aligned memory during its calls to the disk only.
 */
export class TemporaryFile {
  readonly path: string;
  readonly #parts: TemporaryFileParts;
  readonly #fileSeed: number;
  readonly #checksums: ContentChecksums;
  readonly #gathered = new Pieces();
  #positionBytes = 0;
  #fd: number | undefined;
  #writing: Promise<void> = Promise.resolve();
  #exists = false;

  constructor(parts: TemporaryFileParts) {
    this.path = parts.path;
    this.#parts = parts;
    const header = encodeHeader(parts.blobId, parts.fileId);
    this.#fileSeed = header.fileSeed;
    this.#checksums = new ContentChecksums(header.fileSeed);
    this.#gathered.add(header.bytes);
  }

  async append(chunk: Uint8Array): Promise<void> {
    if (this.#checksums.sizeBytes + chunk.length > maxBlobBytes)
      throw new CairnError("SIZE_MISMATCH", { message: `A blob has at most ${maxBlobBytes} bytes.` });
    this.#checksums.add(chunk);
    this.#gathered.add(chunk);
    while (this.#gathered.lengthBytes >= writeBytes) {
      await this.#writing;
      this.#writing = this.#writeDirect(writeBytes);
      // Seen by the next append, by finish or by remove.
      this.#writing.catch(() => {});
    }
  }

  /** Checks what came, and puts the whole file on the medium under its temporary name. */
  async complete(expected: BlobSummary): Promise<void> {
    const { blocks, whole } = this.#checksums.finish();
    const { sizeBytes } = this.#checksums;
    checkSummary(sizeBytes, whole, expected);
    await this.#writing;
    this.#gathered.add(encodeTail(this.#fileSeed, blocks, { sizeBytes, crc32c: whole }));
    const fd = await (this.#fd === undefined ? this.#writeSynced() : this.#writeRest(this.#fd));
    this.#fd = undefined;
    // Nothing is lost by a close after a sync, so nobody waits for it.
    this.#parts.disk.close(fd).catch(() => {});
  }

  /** The file now has another name. */
  renamed(): void {
    this.#exists = false;
  }

  /** Closes and removes it, once what is being written has come back. Never rejects. */
  async remove(): Promise<void> {
    this.#gathered.take(this.#gathered.lengthBytes);
    await this.#writing.catch(() => {});
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) await this.#parts.disk.close(fd).catch(() => {});
    if (!this.#exists) return;
    this.#exists = false;
    // What cannot be removed now is removed at the next start.
    await this.#parts.disk.unlink(this.path).catch(() => {});
  }

  async #create(how: { readonly synced: boolean; readonly direct: boolean }): Promise<number> {
    await this.#parts.ensureFolder();
    this.#fd = await this.#parts.disk.create(this.path, how);
    this.#exists = true;
    return this.#fd;
  }

  async #writeSynced(): Promise<number> {
    const fd = await this.#create({ synced: true, direct: false });
    await this.#parts.disk.write(fd, this.#gathered.take(this.#gathered.lengthBytes), 0);
    return fd;
  }

  /** The last blocks, the cut behind them, and the one sync. */
  async #writeRest(fd: number): Promise<number> {
    const fileBytes = this.#positionBytes + this.#gathered.lengthBytes;
    while (this.#gathered.lengthBytes > 0)
      await this.#writeDirect(Math.min(writeBytes, this.#gathered.lengthBytes));
    const { disk } = this.#parts;
    if (fileBytes < this.#positionBytes) await disk.truncate(fd, fileBytes);
    await disk.datasync(fd);
    return fd;
  }

  async #writeDirect(lengthBytes: number): Promise<void> {
    const pieces = this.#gathered.take(lengthBytes);
    const position = this.#positionBytes;
    this.#positionBytes += alignedUp(lengthBytes);
    const fd = this.#fd ?? (await this.#create({ synced: false, direct: true }));
    await this.#parts.buffers.use((buffer) => {
      let filled = 0;
      for (const piece of pieces) {
        buffer.set(piece, filled);
        filled += piece.length;
      }
      const padded = alignedUp(filled);
      buffer.fill(0, filled, padded);
      return this.#parts.disk.write(fd, [buffer.subarray(0, padded)], position);
    });
  }
}

/** All of a blob through a writer. */
export async function writeAtOnce(
  writer: BlobWriter,
  content: Uint8Array,
  summary: BlobSummary,
): Promise<void> {
  try {
    await writer.append(content);
    await writer.finish(summary);
  } finally {
    // Does nothing once it is finished.
    await writer.abort();
  }
}
