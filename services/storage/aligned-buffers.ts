/** What direct I/O wants positions, lengths and memory to be multiples of: a page, and the sectors of every disk. */
export const alignBytes = 4_096;

/** The next multiple of `alignBytes`. */
export function alignedUp(bytes: number): number {
  return Math.ceil(bytes / alignBytes) * alignBytes;
}

/**
 * A volume's aligned memory for direct I/O: `count` buffers of one slab, made when the first is asked for; only those
 * that were used take memory. Who finds none waits. A buffer is held during one call to the disk and never while
 * bytes are awaited from elsewhere, so that nodes cannot wait for each other in a circle.
 */
export class AlignedBuffers {
  readonly #makeSlab: (lengthBytes: number) => Uint8Array;
  readonly #count: number;
  readonly #bufferBytes: number;
  readonly #waiting: ((buffer: Uint8Array) => void)[] = [];
  #idle: Uint8Array[] | undefined;

  constructor(makeSlab: (lengthBytes: number) => Uint8Array, count: number, bufferBytes: number) {
    this.#makeSlab = makeSlab;
    this.#count = count;
    this.#bufferBytes = bufferBytes;
  }

  async use<T>(work: (buffer: Uint8Array) => Promise<T>): Promise<T> {
    this.#idle ??= this.#cut();
    const buffer = this.#idle.pop() ?? (await new Promise<Uint8Array>((take) => this.#waiting.push(take)));
    try {
      return await work(buffer);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#idle.push(buffer);
      else next(buffer);
    }
  }

  #cut(): Uint8Array[] {
    const slab = this.#makeSlab(this.#count * this.#bufferBytes);
    return Array.from({ length: this.#count }, (_, index) =>
      slab.subarray(index * this.#bufferBytes, (index + 1) * this.#bufferBytes),
    );
  }
}
