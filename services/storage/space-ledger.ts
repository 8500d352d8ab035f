import type { DiskSpace } from "./disk";

/** Room that a write may use. `settle` ends it: what it wrote stays taken until statfs shows it. */
export type Reservation = {
  /** Takes more when the size was not known; false when there is no more. */
  grow(bytes: number): boolean;
  settle(writtenBytes: number): void;
};

/**
 * Accounts a volume's room against what statfs said last, so that writes in flight together cannot use the reserve
 * (P9). It counts a write that is half on the disk twice until the next `update`: rather full too early.
 */
export class SpaceLedger {
  readonly #reserveBytes: number;
  #capacityBytes = 0;
  #freeAtUpdateBytes = 0;
  #writtenSinceBytes = 0;
  #inFlightBytes = 0;

  constructor(reserveBytes: number) {
    this.#reserveBytes = reserveBytes;
  }

  get capacityBytes(): number {
    return this.#capacityBytes;
  }

  /** What writes may still take, the reserve aside. */
  get freeBytes(): number {
    return Math.max(
      0,
      this.#freeAtUpdateBytes - this.#writtenSinceBytes - this.#inFlightBytes - this.#reserveBytes,
    );
  }

  update(space: DiskSpace): void {
    this.#capacityBytes = space.capacityBytes;
    this.#freeAtUpdateBytes = space.freeBytes;
    this.#writtenSinceBytes = 0;
  }

  /** Undefined when there is no room for so much. */
  reserve(bytes: number): Reservation | undefined {
    if (!this.#take(bytes)) return undefined;
    let reserved = bytes;
    let settled = false;
    return {
      grow: (more) => {
        if (!this.#take(more)) return false;
        reserved += more;
        return true;
      },
      settle: (writtenBytes) => {
        if (settled) return;
        settled = true;
        this.#inFlightBytes -= reserved;
        this.#writtenSinceBytes += writtenBytes;
      },
    };
  }

  /** Whether the volume is to be full: below the reserve, and until there is a quarter (at least 1 MiB) above it again. */
  isFull(wasFull: boolean): boolean {
    const marginBytes = wasFull ? Math.max(this.#reserveBytes / 4, 1024 * 1024) : 0;
    return this.#freeAtUpdateBytes - this.#writtenSinceBytes < this.#reserveBytes + marginBytes;
  }

  #take(bytes: number): boolean {
    if (bytes > this.freeBytes) return false;
    this.#inFlightBytes += bytes;
    return true;
  }
}
