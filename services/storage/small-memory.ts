/** Longer ones are worth memory of their own. */
const mostBytes = 16 * 1024;
const slabBytes = 64 * 1024;

/**
 * Fresh memory for short reads, cut one behind the other from slabs: memory of their own for each would cost a small
 * read as much as its checksum. Nothing is used twice; a slab lives as long as any of its pieces, so that a piece holds at
 * most 64 KiB.
 */
export class SmallMemory {
  #slab = Buffer.alloc(0);
  #used = 0;

  take(lengthBytes: number): Buffer {
    if (lengthBytes > mostBytes) return Buffer.allocUnsafeSlow(lengthBytes);
    if (this.#used + lengthBytes > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(slabBytes);
      this.#used = 0;
    }
    const from = this.#used;
    this.#used += lengthBytes;
    return this.#slab.subarray(from, this.#used);
  }
}
