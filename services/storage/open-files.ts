import type { Disk } from "./disk";

/** A file, open for reading. */
export type OpenFile = {
  /** A blob's id, or a segment's number. */
  readonly name: string;
  readonly fd: number;
  /** What a reader learned of the file and the next one need not read again. */
  layout: unknown;
};

type Entry = { readonly opening: Promise<OpenFile>; readers: number; dropped: boolean };

/**
 * Keeps the files that were read last open, at most `limit` that nobody reads: a small read is then one call to the
 * disk instead of three. What was written does not change, so an open file stays right until it is removed or replaced;
 * who reads it then goes on with the old bytes to the end.
 */
export class OpenFiles {
  readonly #disk: Disk;
  readonly #limit: number;
  readonly #entries = new Map<string, Entry>();

  constructor(disk: Disk, limit: number) {
    this.#disk = disk;
    this.#limit = limit;
  }

  /** Opens the file, or gives the open one. Each success needs one `release()`. Throws what the disk throws. */
  async acquire(name: string, path: string): Promise<{ file: OpenFile; release: () => void }> {
    let entry = this.#entries.get(name);
    if (entry === undefined) entry = this.#open(name, path);
    else {
      this.#entries.delete(name);
      this.#entries.set(name, entry);
    }
    const mine = entry;
    mine.readers += 1;
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      mine.readers -= 1;
      if (mine.dropped) this.#closeIfIdle(mine);
      else this.#evict();
    };
    try {
      return { file: await mine.opening, release };
    } catch (error) {
      if (this.#entries.get(name) === mine) this.#entries.delete(name);
      throw error;
    }
  }

  /** Forgets the file: the next reader opens what then has the name. */
  drop(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    entry.dropped = true;
    this.#closeIfIdle(entry);
  }

  /** Closes all files, each when its last reader is done. */
  close(): void {
    for (const name of [...this.#entries.keys()]) this.drop(name);
  }

  #open(name: string, path: string): Entry {
    const opening = this.#disk.open(path, "cache").then((fd): OpenFile => ({ name, fd, layout: undefined }));
    const entry = { opening, readers: 0, dropped: false };
    this.#entries.set(name, entry);
    return entry;
  }

  #evict(): void {
    for (const [name, entry] of this.#entries) {
      if (this.#entries.size <= this.#limit) return;
      if (entry.readers === 0) this.drop(name);
    }
  }

  #closeIfIdle(entry: Entry): void {
    if (entry.readers > 0) return;
    entry.opening.then(
      (file) => this.#disk.close(file.fd).catch(() => {}),
      () => {},
    );
  }
}
