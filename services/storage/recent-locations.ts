import type { Location } from "./segment-table";

/**
 * Locations that were asked for or written last, so that a small read needs no look-up in SQLite. Two generations:
 * when the younger one is full it becomes the older, and what was not asked for since is forgotten. At most twice
 * `generation` entries of some 200 bytes.
 */
export class RecentLocations {
  readonly #generation: number;
  #young = new Map<string, Location>();
  #old = new Map<string, Location>();

  constructor(generation: number) {
    this.#generation = generation;
  }

  get(blobId: string): Location | undefined {
    const young = this.#young.get(blobId);
    if (young !== undefined) return young;
    const old = this.#old.get(blobId);
    if (old !== undefined) this.set(blobId, old);
    return old;
  }

  set(blobId: string, location: Location): void {
    if (this.#young.size >= this.#generation) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(blobId, location);
  }

  forget(blobId: string): void {
    this.#young.delete(blobId);
    this.#old.delete(blobId);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}
