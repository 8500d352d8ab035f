import type { Database } from "better-sqlite3";

/**
 * The file system as a storage node sees it: the narrowest set of calls that it needs, so that tests can put a
 * simulated one in its place (simulated-disk.ts) that loses what was not synced.
 *
 * Every call rejects with an Error that carries the errno's name in `code`. None is retried here. Nothing is durable
 * but what a synced write, `datasync` or `syncDirectory` has covered:
 * - the bytes of a file: a write to a file created with `synced`, or `datasync`;
 * - a name (create, rename, unlink, mkdir, rmdir): `syncDirectory` of the folder that holds it.
 */
export type Disk = {
  /** Opens a file for reading. "medium" reads past the page cache where the file system can (else like "cache"). */
  open(path: string, from: "cache" | "medium"): Promise<number>;
  /** Makes a new file for writing (EEXIST when there is one). */
  create(path: string, how: HowToWrite): Promise<number>;
  /**
   * Opens a file that is there for writing by direct I/O; undefined where the file system has none. What is written is
   * read again from the "cache" too.
   */
  openDirect(path: string, how: { readonly synced: boolean }): Promise<number | undefined>;
  /** Writes all the buffers one behind the other, beginning at `positionBytes`. Never short. */
  write(fd: number, buffers: readonly Uint8Array[], positionBytes: number): Promise<void>;
  /**
   * Fills `into` from `positionBytes`; resolves with less than its length only at the end of the file. A file opened
   * from the "medium" wants memory of `alignedMemory` and positions that are multiples of 4,096.
   */
  read(fd: number, into: Uint8Array, positionBytes: number): Promise<number>;
  /** Cuts a file off behind so many bytes. */
  truncate(fd: number, lengthBytes: number): Promise<void>;
  /** Memory for reads from the "medium" and for direct writes. */
  alignedMemory(lengthBytes: number): Uint8Array;
  /** Puts the file's bytes and size on the medium. After an error nothing of it may be believed (P9). */
  datasync(fd: number): Promise<void>;
  sizeOf(fd: number): Promise<number>;
  close(fd: number): Promise<void>;
  /** Replaces what has the name `to`. */
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** ENOENT when the parent is missing, EEXIST when there is something. */
  mkdir(path: string): Promise<void>;
  rmdir(path: string): Promise<void>;
  /** Names in a folder, in no order. */
  list(path: string): Promise<string[]>;
  /** Undefined when nothing has this name. */
  stat(path: string): Promise<FileStat | undefined>;
  syncDirectory(path: string): Promise<void>;
  /** Of the file system that holds `path`. Free is what this process may use. */
  space(path: string): Promise<DiskSpace>;
  /**
   * Takes the lock file `path` for this process alone; the kernel frees it when the process ends however it ends.
   * Rejects with `code` "ELOCKED" and the holder's `pid` when it is held, by this process too.
   */
  lock(path: string): Promise<DiskLock>;
  /**
   * Opens a SQLite database, in memory without a path, for what may be lost at any time because it can be made anew.
   * SQLite calls the disk by itself, on the calling thread. Throws what SQLite throws.
   */
  cacheDatabase(path: string | undefined): Database;
};

export type HowToWrite = {
  /** Each write is on the medium when it resolves. */
  readonly synced: boolean;
  /**
   * Past the page cache where the file system can, else like any other file. Memory must be of `alignedMemory`,
   * positions and lengths multiples of 4,096, in either case.
   */
  readonly direct?: boolean;
};

export type FileStat = {
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
  readonly isDirectory: boolean;
};

export type DiskSpace = { readonly capacityBytes: number; readonly freeBytes: number };

export type DiskLock = { release(): void };

/** An error of a Disk. */
export class DiskError extends Error {
  readonly code: string;
  /** Who holds the lock, with ELOCKED. */
  readonly pid: number | undefined;

  constructor(code: string, message: string, pid?: number) {
    super(`${code}: ${message}`);
    this.name = "DiskError";
    this.code = code;
    this.pid = pid;
  }
}

/** The errno's name, or "" for what no disk said. */
export function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}

/** True for what tells that a write or a sync may be lost though nothing was done wrong (P9: fence). */
export function isFatalToWrites(error: unknown): boolean {
  const code = codeOf(error);
  return code === "EIO" || code === "EROFS" || code === "ENXIO" || code === "ENODEV" || code === "EUCLEAN";
}

/** True when there is no room: no fault of the disk (P9). */
export function isOutOfSpace(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOSPC" || code === "EDQUOT";
}

/** True when the medium could not give back what was written. */
export function isUnreadable(error: unknown): boolean {
  const code = codeOf(error);
  return code === "EIO" || code === "EUCLEAN" || code === "EBADMSG";
}
