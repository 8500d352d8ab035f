import type { Disk } from "./disk";
import type { DiskGate } from "./disk-gate";

/** The same disk, each call through the gate of its volume. Locks are taken before there is a gate. */
export function gatedDisk(disk: Disk, gate: DiskGate): Disk {
  return {
    open: (path, from) => gate.run("read", () => disk.open(path, from)),
    create: (path, options) => gate.run("change", () => disk.create(path, options)),
    openDirect: (path, options) => gate.run("change", () => disk.openDirect(path, options)),
    truncate: (fd, lengthBytes) => gate.run("change", () => disk.truncate(fd, lengthBytes)),
    write: (fd, buffers, position) => gate.run("change", () => disk.write(fd, buffers, position)),
    read: (fd, into, position) => gate.run("read", () => disk.read(fd, into, position)),
    alignedMemory: (lengthBytes) => disk.alignedMemory(lengthBytes),
    datasync: (fd) => gate.run("change", () => disk.datasync(fd)),
    sizeOf: (fd) => gate.run("read", () => disk.sizeOf(fd)),
    // Closing is neither refused nor judged: what was opened is closed, on a fenced volume too.
    close: (fd) => disk.close(fd),
    rename: (from, to) => gate.run("change", () => disk.rename(from, to)),
    unlink: (path) => gate.run("change", () => disk.unlink(path)),
    mkdir: (path) => gate.run("change", () => disk.mkdir(path)),
    rmdir: (path) => gate.run("change", () => disk.rmdir(path)),
    list: (path) => gate.run("read", () => disk.list(path)),
    stat: (path) => gate.run("read", () => disk.stat(path)),
    syncDirectory: (path) => gate.run("change", () => disk.syncDirectory(path)),
    space: (path) => gate.run("read", () => disk.space(path)),
    lock: (path) => disk.lock(path),
    cacheDatabase: (path) => disk.cacheDatabase(path),
  };
}
