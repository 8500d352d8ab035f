import type { Disk } from "./disk";

/** A file, open for reading. */
export type OpenFile = {
  /** A blob's id, or a segment's number. */
  readonly name: string;
  readonly fd: number;
  /** What a reader learned of the file and the next one need not read again. */
  layout: unknown;
};

/** A file that is held for one reader, until it is given back. */
export type HeldFile = {
  readonly file: OpenFile;
  /** Idempotent. */
  readonly release: () => void;
};

type Entry = {
  readonly opening: Promise<OpenFile>;
  /** Once it is open. */
  file: OpenFile | undefined;
  readers: number;
  dropped: boolean;
};

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
  async acquire(name: string, path: string): Promise<HeldFile> {
    const entry = this.#entries.get(name) ?? this.#open(name, path);
    this.#use(name, entry);
    const release = this.#releaseOf(entry);
    try {
      return { file: await entry.opening, release };
    } catch (error) {
      if (this.#entries.get(name) === entry) this.#entries.delete(name);
      throw error;
    }
  }

  /** As `acquire`, for a file that is open already; else undefined. */
  acquireOpen(name: string): HeldFile | undefined {
    const entry = this.#entries.get(name);
    if (entry?.file === undefined) return undefined;
    this.#use(name, entry);
    return { file: entry.file, release: this.#releaseOf(entry) };
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
    const opening = this.#disk.open(path, "cache").then((fd): OpenFile => {
      const file = { name, fd, layout: undefined };
      entry.file = file;
      return file;
    });
    const entry: Entry = { opening, file: undefined, readers: 0, dropped: false };
    return entry;
  }

  /** The file that was used last is the last to go. */
  #use(name: string, entry: Entry): void {
    // Fewer than the limit need no order.
    if (this.#entries.size >= this.#limit) this.#entries.delete(name);
    this.#entries.set(name, entry);
    entry.readers += 1;
  }

  #releaseOf(entry: Entry): () => void {
    let released = false;
    return () => {
      if (released) return;
      released = true;
      entry.readers -= 1;
      if (entry.dropped) this.#closeIfIdle(entry);
      else this.#evict();
    };
  }

  #evict(): void {
    if (this.#entries.size <= this.#limit) return;
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
