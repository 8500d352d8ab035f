import { type Disk, DiskError } from "../../../services/storage/disk";
import type { SimulatedDisk } from "../../../services/storage/simulated-disk";
import type { Random } from "../../faults/support/random";
import type { SimProcess } from "./sim-process";

/** What is wrong with one disk now. */
export class DiskFaults {
  /** Share of reads that bring a wrong bit, from a cable or a controller: the next read may be right. */
  wrongBits = 0;
  /** Share of reads that fail with EIO. */
  failingReads = 0;
  /** The next writes or syncs fail with EIO. */
  failingChanges = 0;
  /** Calls take this much longer. */
  hangsMs = 0;
}

/**
 * A simulated disk as one life of a process sees it: each call takes time, and happens at its beginning or at its end,
 * so that a kill in between finds it done or not; after the process's death nothing comes back and nothing more
 * happens. `killed` does the kernel's part: locks, open files and databases are let go.
 */
export class ProcessDisk {
  readonly disk: Disk;
  readonly #inner: SimulatedDisk;
  readonly #process: SimProcess;
  readonly #random: Random;
  readonly #faults: DiskFaults;
  readonly #letGo = new Set<() => void>();
  readonly #fds = new Set<number>();

  constructor(inner: SimulatedDisk, process: SimProcess, random: Random, faults: DiskFaults) {
    this.#inner = inner;
    this.#process = process;
    this.#random = random;
    this.#faults = faults;
    this.disk = this.#make();
  }

  killed(): void {
    for (const letGo of this.#letGo) letGo();
    for (const fd of this.#fds) void this.#inner.close(fd);
  }

  #make(): Disk {
    const inner = this.#inner;
    const opened = (fd: number) => {
      this.#fds.add(fd);
      return fd;
    };
    return {
      open: (path, _from) => this.#call("open", () => inner.open(path).then(opened)),
      create: (path, options) => this.#change("create", () => inner.create(path, options).then(opened)),
      openDirect: (path, how) =>
        this.#call("openDirect", () =>
          inner.openDirect(path, how).then((fd) => (fd === undefined ? undefined : opened(fd))),
        ),
      truncate: (fd, lengthBytes) => this.#change("truncate", () => inner.truncate(fd, lengthBytes)),
      write: (fd, buffers, position) => {
        // The kernel copies at the call.
        const copy = buffers.map((buffer) => Buffer.from(buffer));
        return this.#change(
          "write",
          () => inner.write(fd, copy, position),
          () => inner.failWrite(fd, copy, position),
        );
      },
      read: (fd, into, position) => this.#call("read", () => this.#read(fd, into, position)),
      alignedMemory: (lengthBytes) => inner.alignedMemory(lengthBytes),
      datasync: (fd) =>
        this.#change(
          "datasync",
          () => inner.datasync(fd),
          () => inner.failSync(fd),
        ),
      sizeOf: (fd) => this.#call("sizeOf", () => inner.sizeOf(fd)),
      close: (fd) => {
        this.#fds.delete(fd);
        return this.#process.dead ? never() : inner.close(fd);
      },
      rename: (from, to) => this.#change("rename", () => inner.rename(from, to)),
      unlink: (path) => this.#change("unlink", () => inner.unlink(path)),
      mkdir: (path) => this.#change("mkdir", () => inner.mkdir(path)),
      rmdir: (path) => this.#change("rmdir", () => inner.rmdir(path)),
      list: (path) => this.#call("list", () => inner.list(path)),
      stat: (path) => this.#call("stat", () => inner.stat(path)),
      syncDirectory: (path) => this.#change("syncDirectory", () => inner.syncDirectory(path)),
      space: (path) => this.#call("space", () => inner.space(path)),
      lock: async (path) => {
        const lock = await inner.lock(path);
        const release = () => lock.release();
        this.#letGo.add(release);
        return { release };
      },
      cacheDatabase: (path) => {
        const database = inner.cacheDatabase(path);
        if (path !== undefined)
          this.#letGo.add(() => {
            if (database.open) database.close();
          });
        return database;
      },
    };
  }

  async #read(fd: number, into: Uint8Array, position: number): Promise<number> {
    const faults = this.#faults;
    if (faults.failingReads > 0 && this.#random.next() < faults.failingReads)
      throw new DiskError("EIO", "the simulated disk cannot read this");
    const count = await this.#inner.read(fd, into, position);
    if (count > 0 && faults.wrongBits > 0 && this.#random.next() < faults.wrongBits) {
      const at = this.#random.whole(count);
      into[at] = (into[at] as number) ^ (1 << this.#random.whole(8));
    }
    return count;
  }

  #change<T>(name: string, work: () => Promise<T>, onFailure = () => {}): Promise<T> {
    const faults = this.#faults;
    const attempt = (): Promise<T> => {
      if (faults.failingChanges > 0 && (name === "write" || name === "datasync")) {
        faults.failingChanges -= 1;
        onFailure();
        return Promise.reject(new DiskError("EIO", `the simulated disk fails ${name}`));
      }
      return work();
    };
    return this.#call(name, attempt);
  }

  #call<T>(name: string, work: () => Promise<T>): Promise<T> {
    if (this.#process.dead) return never();
    const random = this.#random;
    const isSync = name === "datasync" || name === "syncDirectory" || name === "write";
    const tookMs = (isSync ? 0.5 + 3 * random.next() : 0.05 + 0.2 * random.next()) + this.#faults.hangsMs;
    const atOnce = random.next() < 0.5;
    return new Promise((resolve, reject) => {
      const early = atOnce ? work() : undefined;
      early?.catch(() => {});
      this.#process.after(tookMs, () => (early ?? work()).then(resolve, reject));
    });
  }
}

function never(): Promise<never> {
  return new Promise(() => {});
}
