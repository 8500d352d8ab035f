import type { Disk } from "./disk";

/** A blob's file, open for reading. */
export type OpenBlob = {
  readonly blobId: string;
  readonly fd: number;
  /** What a reader learned of the file and the next one need not read again. */
  layout: unknown;
};

type Entry = { readonly opening: Promise<OpenBlob>; readers: number; dropped: boolean };

/**
 * Keeps the files that were read last open, at most `limit` that nobody reads: a small read is then one call to the
 * disk instead of three. Files are immutable, so an open one stays right until its blob is deleted or replaced; who
 * reads it then goes on with the old bytes to the end.
 */
export class OpenBlobs {
  readonly #disk: Disk;
  readonly #limit: number;
  readonly #entries = new Map<string, Entry>();

  constructor(disk: Disk, limit: number) {
    this.#disk = disk;
    this.#limit = limit;
  }

  /** Opens the file, or gives the open one. Each success needs one `release()`. Throws what the disk throws. */
  async acquire(blobId: string, path: string): Promise<{ blob: OpenBlob; release: () => void }> {
    let entry = this.#entries.get(blobId);
    if (entry === undefined) entry = this.#open(blobId, path);
    else {
      this.#entries.delete(blobId);
      this.#entries.set(blobId, entry);
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
      return { blob: await mine.opening, release };
    } catch (error) {
      if (this.#entries.get(blobId) === mine) this.#entries.delete(blobId);
      throw error;
    }
  }

  /** Forgets the file: the next reader opens what then has the name. */
  drop(blobId: string): void {
    const entry = this.#entries.get(blobId);
    if (entry === undefined) return;
    this.#entries.delete(blobId);
    entry.dropped = true;
    this.#closeIfIdle(entry);
  }

  /** Closes all files, each when its last reader is done. */
  close(): void {
    for (const blobId of [...this.#entries.keys()]) this.drop(blobId);
  }

  #open(blobId: string, path: string): Entry {
    const opening = this.#disk
      .open(path, "cache")
      .then((fd): OpenBlob => ({ blobId, fd, layout: undefined }));
    const entry = { opening, readers: 0, dropped: false };
    this.#entries.set(blobId, entry);
    return entry;
  }

  #evict(): void {
    for (const [blobId, entry] of this.#entries) {
      if (this.#entries.size <= this.#limit) return;
      if (entry.readers === 0) this.drop(blobId);
    }
  }

  #closeIfIdle(entry: Entry): void {
    if (entry.readers > 0) return;
    entry.opening.then(
      (blob) => this.#disk.close(blob.fd).catch(() => {}),
      () => {},
    );
  }
}
