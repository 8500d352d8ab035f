import { crc32c } from "@node-rs/crc32";
import { CairnError } from "../common/errors/cairn-error";
import type { BlobSummary, BlobWriter } from "./engine";
import type { MemoryBudget } from "./memory-budget";

/** So many short chunks in a row are joined, so that a stream of single bytes costs no more memory than another. */
const joinPieces = 64;

export type HybridWriterParts = {
  /** Content up to this is kept whole in memory. */
  readonly limitBytes: number;
  /** What the content may need, taken from the budget before its first byte. */
  readonly reserveBytes: number;
  readonly budget: MemoryBudget;
  readonly addSmall: (pieces: readonly Uint8Array[], summary: BlobSummary) => Promise<unknown>;
  readonly beginLarge: () => BlobWriter;
};

/** Gathers a blob; when it grows past the limit, it goes on as a large one. */
export class HybridWriter implements BlobWriter {
  readonly #parts: HybridWriterParts;
  #pieces: Uint8Array[] = [];
  #sizeBytes = 0;
  #crc32c = 0;
  #reserved = false;
  #large: BlobWriter | undefined;

  constructor(parts: HybridWriterParts) {
    this.#parts = parts;
  }

  append(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#large !== undefined) return this.#large.append(chunk);
    if (this.#sizeBytes + chunk.length > this.#parts.limitBytes) return this.#outgrow(chunk);
    if (!this.#reserved) {
      this.#reserved = true;
      const turn = this.#parts.budget.take(this.#parts.reserveBytes);
      if (turn !== undefined) return turn.then(() => this.#gather(chunk));
    }
    this.#gather(chunk);
    return undefined;
  }

  async finish(summary: BlobSummary): Promise<void> {
    if (this.#large !== undefined) return this.#large.finish(summary);
    try {
      this.#check(summary);
      await this.#parts.addSmall(this.#pieces, summary);
    } finally {
      this.#release();
    }
  }

  async abort(): Promise<void> {
    this.#release();
    await this.#large?.abort();
  }

  #gather(chunk: Uint8Array): void {
    this.#pieces.push(chunk);
    this.#sizeBytes += chunk.length;
    this.#crc32c = crc32c(chunk, this.#crc32c);
    if (this.#pieces.length === joinPieces) this.#pieces = [Buffer.concat(this.#pieces)];
  }

  async #outgrow(chunk: Uint8Array): Promise<void> {
    const pieces = this.#pieces;
    const large = this.#parts.beginLarge();
    this.#large = large;
    for (const piece of pieces) await large.append(piece);
    this.#release();
    await large.append(chunk);
  }

  #check(expected: BlobSummary): void {
    if (this.#sizeBytes !== expected.sizeBytes)
      throw new CairnError("SIZE_MISMATCH", {
        message: `${expected.sizeBytes} bytes were said, ${this.#sizeBytes} came.`,
      });
    if (this.#crc32c !== expected.crc32c)
      throw new CairnError("CHECKSUM_MISMATCH", {
        message: "The CRC-32C of the blob does not match what came.",
      });
  }

  #release(): void {
    this.#pieces = [];
    if (!this.#reserved) return;
    this.#reserved = false;
    this.#parts.budget.give(this.#parts.reserveBytes);
  }
}
