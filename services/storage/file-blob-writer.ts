import { CairnError } from "../common/errors/cairn-error";
import { encodeHeader, encodeTail, maxBlobBytes } from "./blob-format";
import { ContentChecksums } from "./block-checksums";
import type { Disk } from "./disk";
import type { BlobSummary } from "./engine";

/** Bytes that are gathered before they are written. */
const writeBytes = 1024 * 1024;
/** So many short chunks in a row are joined, so that a stream of single bytes costs no more memory than another. */
const joinPieces = 64;

/**
 * Writes one temporary file: small content with a single synced write at the end, larger content a MiB at a time
 * while the next arrives, and one sync. It holds at most 2 MiB and what one chunk brings over it (I7).
 */
export class TemporaryFile {
  readonly path: string;
  readonly #disk: Disk;
  readonly #ensureFolder: () => Promise<void>;
  readonly #fileSeed: number;
  readonly #checksums: ContentChecksums;
  #pieces: Uint8Array[] = [];
  #gatheredBytes = 0;
  #positionBytes = 0;
  #fd: number | undefined;
  #writing: Promise<void> = Promise.resolve();
  #exists = false;

  constructor(
    disk: Disk,
    path: string,
    blobId: string,
    fileId: Uint8Array,
    ensureFolder: () => Promise<void>,
  ) {
    this.path = path;
    this.#disk = disk;
    this.#ensureFolder = ensureFolder;
    const header = encodeHeader(blobId, fileId);
    this.#fileSeed = header.fileSeed;
    this.#checksums = new ContentChecksums(header.fileSeed);
    this.#gather(header.bytes);
  }

  async append(chunk: Uint8Array): Promise<void> {
    if (this.#checksums.sizeBytes + chunk.length > maxBlobBytes)
      throw new CairnError("SIZE_MISMATCH", { message: `A blob has at most ${maxBlobBytes} bytes.` });
    this.#checksums.add(chunk);
    this.#gather(chunk);
    if (this.#gatheredBytes < writeBytes) return;
    await this.#writing;
    this.#writing = this.#writeGathered(false);
    // Seen by the next append, by finish or by remove.
    this.#writing.catch(() => {});
  }

  /** Checks what came, and puts the whole file on the medium under its temporary name. */
  async complete(expected: BlobSummary): Promise<void> {
    const { blocks, whole } = this.#checksums.finish();
    const { sizeBytes } = this.#checksums;
    if (sizeBytes !== expected.sizeBytes)
      throw new CairnError("SIZE_MISMATCH", {
        message: `${expected.sizeBytes} bytes were said, ${sizeBytes} came.`,
      });
    if (whole !== expected.crc32c)
      throw new CairnError("CHECKSUM_MISMATCH", {
        message: "The CRC-32C of the blob does not match what came.",
      });
    await this.#writing;
    this.#gather(encodeTail(this.#fileSeed, blocks, { sizeBytes, crc32c: whole }));
    const large = this.#fd !== undefined;
    await this.#writeGathered(true);
    const fd = this.#fd as number;
    if (large) await this.#disk.datasync(fd);
    this.#fd = undefined;
    // Nothing is lost by a close after a sync, so nobody waits for it.
    this.#disk.close(fd).catch(() => {});
  }

  /** The file now has another name. */
  renamed(): void {
    this.#exists = false;
  }

  /** Closes and removes it, once what is being written has come back. Never rejects. */
  async remove(): Promise<void> {
    this.#pieces = [];
    await this.#writing.catch(() => {});
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) await this.#disk.close(fd).catch(() => {});
    if (!this.#exists) return;
    this.#exists = false;
    // What cannot be removed now is removed at the next start.
    await this.#disk.unlink(this.path).catch(() => {});
  }

  #gather(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
    this.#gatheredBytes += bytes.length;
    if (this.#pieces.length % joinPieces !== 0) return;
    const last = this.#pieces.slice(-joinPieces);
    const lengthBytes = last.reduce((sum, piece) => sum + piece.length, 0);
    if (lengthBytes < writeBytes / 4) this.#pieces.splice(-joinPieces, joinPieces, Buffer.concat(last));
  }

  async #writeGathered(synced: boolean): Promise<void> {
    const pieces = this.#pieces;
    const position = this.#positionBytes;
    this.#positionBytes += this.#gatheredBytes;
    this.#pieces = [];
    this.#gatheredBytes = 0;
    if (this.#fd === undefined) {
      await this.#ensureFolder();
      this.#fd = await this.#disk.create(this.path, { synced });
      this.#exists = true;
    }
    await this.#disk.write(this.#fd, pieces, position);
  }
}
