import { crc32c } from "@node-rs/crc32";

/** Content is verified in blocks of this size; only a blob's last block is shorter. */
export const blockBytes = 65_536;

/** How many blocks a blob of this size has. */
export function blocksOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / blockBytes);
}

/**
 * What a block's checksum begins with: the blob's id, the file's random id and the block's number (P8). The same
 * bytes in another place, file or blob have another checksum.
 */
export function blockSeed(fileSeed: number, block: number): number {
  const position = new Uint8Array(8);
  new DataView(position.buffer).setUint32(0, block, true);
  return crc32c(position, fileSeed);
}

/** The checksum of a block as its file keeps it. */
export function blockChecksum(content: Uint8Array, fileSeed: number, block: number): number {
  return crc32c(content, blockSeed(fileSeed, block));
}

/**
 * Checksums of content that arrives in pieces of any length: the seeded one of each block and the plain one of the
 * whole, in one pass over the bytes.
 *
 * CRC is affine in its initial state: crc(bytes, s) = crc(bytes, 0) ^ shift(s), where shift depends on the length
 * alone. So one pass with state 0 gives both, and only the last, shorter block is passed over twice.
 */
export class ContentChecksums {
  readonly #fileSeed: number;
  readonly #blocks: number[] = [];
  #whole = 0;
  #sizeBytes = 0;
  #pieces: Uint8Array[] = [];
  #blockState = 0;
  #blockFilled = 0;

  constructor(fileSeed: number) {
    this.#fileSeed = fileSeed;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Takes the next bytes; they are looked at again until their block is full, so they must not change. */
  add(bytes: Uint8Array): void {
    this.#sizeBytes += bytes.length;
    let offset = 0;
    while (offset < bytes.length) {
      const piece = bytes.subarray(offset, offset + blockBytes - this.#blockFilled);
      this.#blockState = crc32c(piece, this.#blockState);
      this.#blockFilled += piece.length;
      offset += piece.length;
      if (this.#blockFilled === blockBytes) this.#endFullBlock();
      else this.#pieces.push(piece);
    }
  }

  /** The checksums of all that was added. Nothing may be added after. */
  finish(): { readonly blocks: readonly number[]; readonly whole: number } {
    if (this.#blockFilled > 0) {
      let seeded = blockSeed(this.#fileSeed, this.#blocks.length);
      for (const piece of this.#pieces) {
        seeded = crc32c(piece, seeded);
        this.#whole = crc32c(piece, this.#whole);
      }
      this.#blocks.push(seeded);
      this.#pieces = [];
      this.#blockFilled = 0;
    }
    return { blocks: this.#blocks, whole: this.#whole };
  }

  #endFullBlock(): void {
    const plain = this.#blockState;
    const seed = blockSeed(this.#fileSeed, this.#blocks.length);
    this.#blocks.push((shiftByBlock(seed) ^ plain) >>> 0);
    this.#whole = (shiftByBlock(this.#whole) ^ plain) >>> 0;
    this.#pieces = [];
    this.#blockState = 0;
    this.#blockFilled = 0;
  }
}

let shiftTable: Uint32Array | undefined;

/** What a state becomes when a full block of zeros passes, without the constant part: linear, so by four look-ups. */
function shiftByBlock(state: number): number {
  shiftTable ??= makeShiftTable();
  const table = shiftTable;
  return (
    ((table[state & 255] ?? 0) ^
      (table[256 + ((state >>> 8) & 255)] ?? 0) ^
      (table[512 + ((state >>> 16) & 255)] ?? 0) ^
      (table[768 + (state >>> 24)] ?? 0)) >>>
    0
  );
}

function makeShiftTable(): Uint32Array {
  const zeros = new Uint8Array(blockBytes);
  const constant = crc32c(zeros, 0);
  const table = new Uint32Array(1024);
  for (let byte = 0; byte < 4; byte++) {
    for (let bit = 0; bit < 8; bit++) {
      const ofBit = (crc32c(zeros, (1 << (byte * 8 + bit)) >>> 0) ^ constant) >>> 0;
      for (let value = 0; value < 256; value++) {
        if ((value >> bit) & 1) table[byte * 256 + value] = ((table[byte * 256 + value] ?? 0) ^ ofBit) >>> 0;
      }
    }
  }
  return table;
}
