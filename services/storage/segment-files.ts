import type { Disk } from "./disk";

const digits = 12;

/** Names of segment files: numbers, so that their order is the order of writing. */
export class SegmentFiles {
  readonly root: string;
  readonly #disk: Disk;

  constructor(disk: Disk, root: string) {
    this.#disk = disk;
    this.root = root;
  }

  pathOf(segment: number): string {
    return `${this.root}/${String(segment).padStart(digits, "0")}`;
  }

  /** The numbers of the files that are there, in order; none when the folder is not there. */
  async list(): Promise<number[]> {
    if ((await this.#disk.stat(this.root)) === undefined) return [];
    const names = await this.#disk.list(this.root);
    return names
      .filter((name) => name.length === digits && /^\d+$/.test(name))
      .map(Number)
      .sort((a, b) => a - b);
  }

  /** Durable when it resolves. */
  async remove(segment: number): Promise<void> {
    await this.#disk.unlink(this.pathOf(segment));
    await this.#disk.syncDirectory(this.root);
  }
}
