import fs from "node:fs";
import Sqlite from "better-sqlite3";
import type { Disk } from "./disk";
import { takeLock } from "./disk-lock";

/** As in lib.dom, which a server does not include. */
declare const WebAssembly: {
  Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
};

const { O_CREAT, O_DIRECT, O_DSYNC, O_EXCL, O_RDONLY, O_WRONLY } = fs.constants;

/**
 * The real file system, through the callback calls of node:fs on plain descriptors: a FileHandle costs twice the CPU
 * of a call. All of them run in libuv's pool, creating and renaming too: a call that is made on the main thread
 * would stop every volume of the process when one disk hangs (P9).
 */
export const nodeDisk: Disk = {
  open: async (path, from) => {
    if (from === "cache" || O_DIRECT === undefined) return openFile(path, O_RDONLY);
    try {
      return await openFile(path, O_RDONLY | O_DIRECT);
    } catch (error) {
      if (!isRefusalOfDirect(error)) throw error;
      return openFile(path, O_RDONLY);
    }
  },
  create: async (path, { synced, direct }) => {
    const flags = O_WRONLY | O_CREAT | O_EXCL | (synced ? O_DSYNC : 0);
    if (!direct || O_DIRECT === undefined) return openFile(path, flags);
    try {
      return await openFile(path, flags | O_DIRECT);
    } catch (error) {
      if (!isRefusalOfDirect(error)) throw error;
      // Some file systems refuse only once they have made the file.
      await settle((done) => fs.unlink(path, done)).catch(() => {});
      return openFile(path, flags);
    }
  },
  openDirect: async (path, { synced }) => {
    if (O_DIRECT === undefined) return undefined;
    try {
      return await openFile(path, O_WRONLY | O_DIRECT | (synced ? O_DSYNC : 0));
    } catch (error) {
      if (!isRefusalOfDirect(error)) throw error;
      return undefined;
    }
  },
  truncate: (fd, lengthBytes) => settle((done) => fs.ftruncate(fd, lengthBytes, done)),
  write: writeAll,
  read: readFully,
  alignedMemory: (lengthBytes) => {
    // WebAssembly's memory begins at a page; nothing else in Node promises that.
    const pages = Math.ceil(lengthBytes / 65_536);
    return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer, 0, lengthBytes);
  },
  datasync: (fd) => settle((done) => fs.fdatasync(fd, done)),
  sizeOf: (fd) =>
    new Promise((resolve, reject) => fs.fstat(fd, (e, stat) => (e ? reject(e) : resolve(stat.size)))),
  close: (fd) => settle((done) => fs.close(fd, done)),
  rename: (from, to) => settle((done) => fs.rename(from, to, done)),
  unlink: (path) => settle((done) => fs.unlink(path, done)),
  mkdir: (path) => settle((done) => fs.mkdir(path, 0o700, done)),
  rmdir: (path) => settle((done) => fs.rmdir(path, done)),
  list: (path) =>
    new Promise((resolve, reject) => fs.readdir(path, (e, names) => (e ? reject(e) : resolve(names)))),
  stat: (path) =>
    new Promise((resolve, reject) =>
      fs.lstat(path, (error, stat) => {
        if (error === null)
          resolve({ sizeBytes: stat.size, modifiedAtMs: stat.mtimeMs, isDirectory: stat.isDirectory() });
        else if (error.code === "ENOENT") resolve(undefined);
        else reject(error);
      }),
    ),
  syncDirectory: async (path) => {
    const fd = await openFile(path, O_RDONLY);
    try {
      await settle((done) => fs.fsync(fd, done));
    } finally {
      fs.close(fd, () => {});
    }
  },
  space: (path) =>
    new Promise((resolve, reject) =>
      fs.statfs(path, (error, stat) =>
        error
          ? reject(error)
          : resolve({ capacityBytes: stat.blocks * stat.bsize, freeBytes: stat.bavail * stat.bsize }),
      ),
    ),
  lock: takeLock,
  cacheDatabase: (path) => new Sqlite(path ?? ":memory:"),
};

/** What file systems without direct I/O say, such as tmpfs. */
function isRefusalOfDirect(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "EINVAL";
}

function settle(start: (done: (error: NodeJS.ErrnoException | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => start((error) => (error ? reject(error) : resolve())));
}

function openFile(path: string, flags: number): Promise<number> {
  return new Promise((resolve, reject) =>
    fs.open(path, flags, 0o600, (error, fd) => (error ? reject(error) : resolve(fd))),
  );
}

async function writeAll(fd: number, buffers: readonly Uint8Array[], positionBytes: number): Promise<void> {
  let rest = buffers;
  let position = positionBytes;
  while (rest.length > 0) {
    const written = await writeOnce(fd, rest, position);
    position += written;
    rest = withoutFirst(rest, written);
  }
}

function writeOnce(fd: number, buffers: readonly Uint8Array[], position: number): Promise<number> {
  const only = buffers[0];
  return new Promise((resolve, reject) => {
    const done = (error: NodeJS.ErrnoException | null, written: number) =>
      error ? reject(error) : resolve(written);
    if (buffers.length === 1 && only !== undefined) fs.write(fd, only, 0, only.length, position, done);
    else fs.writev(fd, buffers as Uint8Array[], position, done);
  });
}

/** What is left to write when the kernel took only the first `count` bytes. */
function withoutFirst(buffers: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skipped = count;
  for (const [index, buffer] of buffers.entries()) {
    if (skipped < buffer.length) return [buffer.subarray(skipped), ...buffers.slice(index + 1)];
    skipped -= buffer.length;
  }
  return [];
}

function readFully(fd: number, into: Uint8Array, positionBytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let filled = 0;
    const readOn = () =>
      fs.read(fd, into, filled, into.length - filled, positionBytes + filled, (error, count) => {
        if (error) return reject(error);
        filled += count;
        // Direct I/O ends at an unaligned length only at the end of the file, and cannot go on from there.
        if (count === 0 || filled === into.length || filled % 4_096 !== 0) resolve(filled);
        else readOn();
      });
    readOn();
  });
}
