/**
 * Memory that is used again and again: a read does not know beforehand how small a file is, and a fresh buffer of the
 * largest size for each would keep the garbage collector busy. At most `keep` idle ones are kept.
 */
export class ScratchBuffers<B extends Uint8Array> {
  readonly #idle: B[] = [];
  readonly #make: () => B;
  readonly #keep: number;

  constructor(make: () => B, keep: number) {
    this.#make = make;
    this.#keep = keep;
  }

  take(): B {
    return this.#idle.pop() ?? this.#make();
  }

  /** Only when nothing writes to it or reads from it any more. */
  give(buffer: B): void {
    if (this.#idle.length < this.#keep) this.#idle.push(buffer);
  }
}
