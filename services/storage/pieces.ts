/** So many short pieces in a row are joined, so that a stream of single bytes costs no more memory than another. */
const joinPieces = 64;
const joinBytes = 262_144;

/** Bytes that came in pieces and go on in others. The pieces are kept, not copied, unless they are many and short. */
export class Pieces {
  #pieces: Uint8Array[] = [];
  #lengthBytes = 0;

  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  add(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#lengthBytes += piece.length;
    if (this.#pieces.length % joinPieces !== 0) return;
    const last = this.#pieces.slice(-joinPieces);
    const lastBytes = last.reduce((sum, bytes) => sum + bytes.length, 0);
    if (lastBytes < joinBytes) this.#pieces.splice(-joinPieces, joinPieces, Buffer.concat(last));
  }

  /** The first `lengthBytes` of them, which must be there. */
  take(lengthBytes: number): Uint8Array[] {
    this.#lengthBytes -= lengthBytes;
    let rest = lengthBytes;
    let count = 0;
    while (rest > 0) {
      const piece = this.#pieces[count] as Uint8Array;
      if (piece.length > rest) {
        const taken = [...this.#pieces.slice(0, count), piece.subarray(0, rest)];
        this.#pieces = [piece.subarray(rest), ...this.#pieces.slice(count + 1)];
        return taken;
      }
      rest -= piece.length;
      count += 1;
    }
    return this.#pieces.splice(0, count);
  }
}
