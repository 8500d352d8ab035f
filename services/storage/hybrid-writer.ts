import { crc32c } from "@node-rs/crc32";
import { checkSummary } from "./check-summary";
import type { BlobSummary, BlobWriter } from "./engine";

/** So many short chunks in a row are joined, so that a stream of single bytes costs no more memory than another. */
const joinPieces = 64;
const joinBytes = 65_536;

export type HybridWriterParts = {
  /** Content up to this is kept whole in memory. */
  readonly limitBytes: number;
  readonly addSmall: (pieces: readonly Uint8Array[], summary: BlobSummary) => Promise<unknown>;
  readonly beginLarge: () => BlobWriter;
};

/** Gathers a blob in memory, at most `limitBytes` of it (I7); when it grows past that, it goes on as a large one. */
export class HybridWriter implements BlobWriter {
  readonly #parts: HybridWriterParts;
  #pieces: Uint8Array[] = [];
  #sizeBytes = 0;
  #crc32c = 0;
  #large: BlobWriter | undefined;

  constructor(parts: HybridWriterParts) {
    this.#parts = parts;
  }

  append(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#large !== undefined) return this.#large.append(chunk);
    if (this.#sizeBytes + chunk.length > this.#parts.limitBytes) return this.#outgrow(chunk);
    this.#gather(chunk);
    return undefined;
  }

  async finish(summary: BlobSummary): Promise<void> {
    if (this.#large !== undefined) return this.#large.finish(summary);
    checkSummary(this.#sizeBytes, this.#crc32c, summary);
    await this.#parts.addSmall(this.#pieces, summary);
  }

  async abort(): Promise<void> {
    this.#pieces = [];
    await this.#large?.abort();
  }

  #gather(chunk: Uint8Array): void {
    this.#pieces.push(chunk);
    this.#sizeBytes += chunk.length;
    this.#crc32c = crc32c(chunk, this.#crc32c);
    if (this.#pieces.length % joinPieces !== 0) return;
    const last = this.#pieces.slice(-joinPieces);
    const lastBytes = last.reduce((sum, piece) => sum + piece.length, 0);
    if (lastBytes < joinBytes) this.#pieces.splice(-joinPieces, joinPieces, Buffer.concat(last));
  }

  async #outgrow(chunk: Uint8Array): Promise<void> {
    const pieces = this.#pieces;
    this.#pieces = [];
    const large = this.#parts.beginLarge();
    this.#large = large;
    for (const piece of pieces) await large.append(piece);
    await large.append(chunk);
  }
}
