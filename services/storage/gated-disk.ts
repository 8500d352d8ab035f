import type { Disk } from "./disk";
import type { DiskGate } from "./disk-gate";

/** Is told of the calls that take a volume's time. */
export type DiskObserver = {
  took(call: "write" | "read" | "datasync" | "syncDirectory", ms: number): void;
  /** Bytes. */
  read(count: number): void;
  written(count: number): void;
};

/** The same disk, each call through the gate of its volume. Locks are taken before there is a gate. */
export function gatedDisk(disk: Disk, gate: DiskGate, observer: DiskObserver): Disk {
  const readTook = (ms: number) => observer.took("read", ms);
  const writeTook = (ms: number) => observer.took("write", ms);
  const datasyncTook = (ms: number) => observer.took("datasync", ms);
  const syncDirectoryTook = (ms: number) => observer.took("syncDirectory", ms);
  return {
    open: (path, from) => gate.run("read", () => disk.open(path, from)),
    create: (path, options) => gate.run("change", () => disk.create(path, options)),
    openDirect: (path, options) => gate.run("change", () => disk.openDirect(path, options)),
    truncate: (fd, lengthBytes) => gate.run("change", () => disk.truncate(fd, lengthBytes)),
    write: (fd, buffers, position) => {
      for (const { length } of buffers) observer.written(length);
      return gate.run("change", () => disk.write(fd, buffers, position), writeTook);
    },
    read: (fd, into, position) => {
      observer.read(into.length);
      return gate.run("read", () => disk.read(fd, into, position), readTook);
    },
    alignedMemory: (lengthBytes) => disk.alignedMemory(lengthBytes),
    datasync: (fd) => gate.run("change", () => disk.datasync(fd), datasyncTook),
    sizeOf: (fd) => gate.run("read", () => disk.sizeOf(fd)),
    // Closing is neither refused nor judged: what was opened is closed, on a fenced volume too.
    close: (fd) => disk.close(fd),
    rename: (from, to) => gate.run("change", () => disk.rename(from, to)),
    unlink: (path) => gate.run("change", () => disk.unlink(path)),
    mkdir: (path) => gate.run("change", () => disk.mkdir(path)),
    rmdir: (path) => gate.run("change", () => disk.rmdir(path)),
    list: (path) => gate.run("read", () => disk.list(path)),
    stat: (path) => gate.run("read", () => disk.stat(path)),
    syncDirectory: (path) => gate.run("change", () => disk.syncDirectory(path), syncDirectoryTook),
    space: (path) => gate.run("read", () => disk.space(path)),
    lock: (path) => disk.lock(path),
    cacheDatabase: (path) => disk.cacheDatabase(path),
  };
}
