import Sqlite from "better-sqlite3";
import { type Disk, DiskError, type DiskLock, type HowToWrite } from "./disk";

type FileNode = {
  kind: "file";
  data: Buffer;
  durable: Buffer;
  modifiedAtMs: number;
  /** After a failed sync: what the kernel holds for written though it is not. No later sync writes it. */
  takenForClean?: Buffer;
};
type FolderNode = { kind: "folder"; entries: Map<string, Node>; durable: Map<string, Node> };
type Node = FileNode | FolderNode;
type Descriptor = {
  readonly file: FileNode;
  readonly synced: boolean;
  readonly direct: boolean;
  readonly epoch: number;
};

/** One call, as faults see it. `change` calls are numbered from 1. */
export type SimulatedCall = {
  readonly name: string;
  readonly path: string;
  readonly change: number | undefined;
};

export type SimulatedDiskOptions = {
  readonly nowMs?: () => number;
  readonly capacityBytes?: number;
};

/** Planted bugs, for controls: the disk acknowledges these and does nothing. */
export type Forgets = { readonly dataSyncs?: boolean; readonly directorySyncs?: boolean };

/**
 * A disk in memory with this fault model:
 * - `crash()` is a power cut. Bytes that no sync covered and names whose folder was not synced are lost; given a
 *   random source, each of them may instead survive, a write also torn at any byte. What was synced always survives.
 * - `fault` is asked before every call: it throws to fail it, or returns a promise to hang it.
 * - `cutPowerAt` ends everything at the n-th changing call: that call and all after it reject, until `crash()`.
 */
export class SimulatedDisk implements Disk {
  fault: (call: SimulatedCall) => void | Promise<void> = () => {};
  cutPowerAt = Number.POSITIVE_INFINITY;
  forgets: Forgets = {};
  /** Databases survive every power cut whole; else only by chance. */
  keepsDatabases = false;
  /** Changing calls so far. */
  changes = 0;
  capacityBytes: number;
  readonly #options: SimulatedDiskOptions;
  readonly #root: FolderNode = newFolder();
  readonly #descriptors = new Map<number, Descriptor>();
  readonly #locks = new Set<string>();
  readonly #databases = new Map<string, { open: Sqlite.Database | undefined; saved: Buffer | undefined }>();
  #nextFd = 3;
  #epoch = 0;

  constructor(options: SimulatedDiskOptions = {}) {
    this.#options = options;
    this.capacityBytes = options.capacityBytes ?? 1024 ** 4;
  }

  /** How many files are open: none may be left behind (I8). */
  get openFiles(): number {
    return this.#descriptors.size;
  }

  /** Cuts the power and gives it back. `random` gives numbers from 0 to 1; without it all that was unsynced is lost. */
  crash(random?: () => number): void {
    this.#epoch += 1;
    this.cutPowerAt = Number.POSITIVE_INFINITY;
    this.#descriptors.clear();
    this.#locks.clear();
    for (const [path, { open, saved }] of this.#databases) {
      const survives = this.keepsDatabases || (random !== undefined && random() < 0.5);
      this.#databases.set(path, {
        open: undefined,
        saved: survives ? (open?.serialize() ?? saved) : undefined,
      });
    }
    forget(this.#root, random);
  }

  /** Every file there is, behind everybody's back. */
  paths(): string[] {
    const walk = (folder: FolderNode, path: string): string[] =>
      [...folder.entries].flatMap(([name, node]) =>
        node.kind === "file" ? [`${path}/${name}`] : walk(node, `${path}/${name}`),
      );
    return walk(this.#root, "");
  }

  sizeOfPath(path: string): number {
    return this.#file(path).data.length;
  }

  /** Changes a file's bytes behind everybody's back. */
  corrupt(path: string, change: (data: Buffer) => Buffer): void {
    const file = this.#file(path);
    file.data = change(Buffer.from(file.data));
    file.durable = Buffer.from(file.data);
  }

  async open(path: string): Promise<number> {
    await this.#begin("open", path, false);
    return this.#describe(this.#file(path), false);
  }

  async create(path: string, options: HowToWrite): Promise<number> {
    await this.#begin("create", path, true);
    const { folder, name } = this.#parent(path);
    if (folder.entries.has(name)) throw new DiskError("EEXIST", path);
    const file: FileNode = {
      kind: "file",
      data: Buffer.alloc(0),
      durable: Buffer.alloc(0),
      modifiedAtMs: this.#now(),
    };
    folder.entries.set(name, file);
    return this.#describe(file, options.synced, options.direct === true);
  }

  async openDirect(path: string, how: { readonly synced: boolean }): Promise<number | undefined> {
    await this.#begin("open", path, false);
    return this.#describe(this.#file(path), how.synced, true);
  }

  async truncate(fd: number, lengthBytes: number): Promise<void> {
    await this.#begin("truncate", String(fd), true);
    const { file } = this.#descriptor(fd);
    file.data = Buffer.from(file.data.subarray(0, lengthBytes));
  }

  async write(fd: number, buffers: readonly Uint8Array[], positionBytes: number): Promise<void> {
    await this.#begin("write", String(fd), true);
    const { file, synced, direct } = this.#descriptor(fd);
    const bytes = Buffer.concat(buffers);
    if (direct && (positionBytes % 4_096 !== 0 || bytes.length % 4_096 !== 0))
      throw new DiskError("EINVAL", `direct write of ${bytes.length} at ${positionBytes}`);
    const length = Math.max(file.data.length, positionBytes + bytes.length);
    if (this.#usedBytes() + length - file.data.length > this.capacityBytes)
      throw new DiskError("ENOSPC", String(fd));
    file.data = withBytes(file.data, bytes, positionBytes);
    // Dirty again.
    const clean = file.takenForClean;
    if (clean !== undefined)
      for (let at = positionBytes; at < Math.min(clean.length, positionBytes + bytes.length); at++)
        clean[at] = ~(file.data[at] ?? 0) & 0xff;
    file.modifiedAtMs = this.#now();
    if (synced) this.#sync(file);
  }

  async read(fd: number, into: Uint8Array, positionBytes: number): Promise<number> {
    await this.#begin("read", String(fd), false);
    const { file } = this.#descriptor(fd);
    const bytes = file.data.subarray(positionBytes, positionBytes + into.length);
    into.set(bytes);
    return bytes.length;
  }

  alignedMemory(lengthBytes: number): Uint8Array {
    return new Uint8Array(lengthBytes);
  }

  async datasync(fd: number): Promise<void> {
    await this.#begin("datasync", String(fd), true);
    this.#sync(this.#descriptor(fd).file);
  }

  /** A sync that fails: what it should have written is marked clean all the same, as Linux does. */
  failSync(fd: number): void {
    const { file } = this.#descriptor(fd);
    file.takenForClean = Buffer.from(file.data);
  }

  /** A synced write that fails: the bytes are in the page cache, and taken for clean. */
  failWrite(fd: number, buffers: readonly Uint8Array[], positionBytes: number): void {
    const { file } = this.#descriptor(fd);
    file.data = withBytes(file.data, Buffer.concat(buffers), positionBytes);
    file.takenForClean = Buffer.from(file.data);
  }

  async sizeOf(fd: number): Promise<number> {
    await this.#begin("sizeOf", String(fd), false);
    return this.#descriptor(fd).file.data.length;
  }

  async close(fd: number): Promise<void> {
    this.#descriptors.delete(fd);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#begin("rename", from, true);
    const source = this.#parent(from);
    const target = this.#parent(to);
    const node = source.folder.entries.get(source.name);
    if (node === undefined) throw new DiskError("ENOENT", from);
    source.folder.entries.delete(source.name);
    target.folder.entries.set(target.name, node);
  }

  async unlink(path: string): Promise<void> {
    await this.#begin("unlink", path, true);
    const { folder, name } = this.#parent(path);
    if (!folder.entries.delete(name)) throw new DiskError("ENOENT", path);
  }

  async mkdir(path: string): Promise<void> {
    await this.#begin("mkdir", path, true);
    const { folder, name } = this.#parent(path);
    if (folder.entries.has(name)) throw new DiskError("EEXIST", path);
    folder.entries.set(name, newFolder());
  }

  async rmdir(path: string): Promise<void> {
    await this.#begin("rmdir", path, true);
    const { folder, name } = this.#parent(path);
    if (this.#folder(path).entries.size > 0) throw new DiskError("ENOTEMPTY", path);
    folder.entries.delete(name);
  }

  async list(path: string): Promise<string[]> {
    await this.#begin("list", path, false);
    return [...this.#folder(path).entries.keys()];
  }

  async stat(path: string) {
    await this.#begin("stat", path, false);
    const node = this.#find(path);
    if (node === undefined) return undefined;
    if (node.kind === "folder") return { sizeBytes: 0, modifiedAtMs: 0, isDirectory: true };
    return { sizeBytes: node.data.length, modifiedAtMs: node.modifiedAtMs, isDirectory: false };
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#begin("syncDirectory", path, true);
    const folder = this.#folder(path);
    if (!this.forgets.directorySyncs) folder.durable = new Map(folder.entries);
  }

  async space(path: string) {
    await this.#begin("space", path, false);
    return {
      capacityBytes: this.capacityBytes,
      freeBytes: Math.max(0, this.capacityBytes - this.#usedBytes()),
    };
  }

  async lock(path: string): Promise<DiskLock> {
    if (this.#locks.has(path)) throw new DiskError("ELOCKED", path, process.pid);
    this.#locks.add(path);
    return { release: () => void this.#locks.delete(path) };
  }

  /** In memory, and kept by a clean close; at a crash thrown away or, by chance, kept as it was. */
  cacheDatabase(path: string | undefined): Sqlite.Database {
    const saved = path === undefined ? undefined : this.#databases.get(path)?.saved;
    const database = new Sqlite(saved ?? ":memory:");
    if (path === undefined) return database;
    const epoch = this.#epoch;
    this.#databases.set(path, { open: database, saved });
    const close = database.close.bind(database);
    database.close = () => {
      if (epoch === this.#epoch) this.#databases.set(path, { open: undefined, saved: database.serialize() });
      return close();
    };
    return database;
  }

  async #begin(name: string, path: string, isChange: boolean): Promise<void> {
    const epoch = this.#epoch;
    if (isChange) this.changes += 1;
    const change = isChange ? this.changes : undefined;
    await this.fault({ name, path, change });
    if (epoch !== this.#epoch || this.changes >= this.cutPowerAt)
      throw new DiskError("EPOWER", `${name} ${path}`);
  }

  #sync(file: FileNode): void {
    if (this.forgets.dataSyncs) return;
    const clean = file.takenForClean;
    const durable = Buffer.from(file.data);
    if (clean !== undefined) {
      for (let at = 0; at < Math.min(clean.length, durable.length); at++)
        if (clean[at] === durable[at]) durable[at] = file.durable[at] ?? 0;
      file.takenForClean = Buffer.from(file.data);
    }
    file.durable = durable;
  }

  #describe(file: FileNode, synced: boolean, direct = false): number {
    this.#descriptors.set(this.#nextFd, { file, synced, direct, epoch: this.#epoch });
    return this.#nextFd++;
  }

  #descriptor(fd: number): Descriptor {
    const descriptor = this.#descriptors.get(fd);
    if (descriptor === undefined) throw new DiskError("EBADF", String(fd));
    return descriptor;
  }

  #now(): number {
    return (this.#options.nowMs ?? Date.now)();
  }

  #usedBytes(node: Node = this.#root): number {
    if (node.kind === "file") return node.data.length;
    return [...node.entries.values()].reduce((sum, child) => sum + this.#usedBytes(child), 0);
  }

  #find(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of path.split("/").filter((part) => part !== "")) {
      if (node?.kind !== "folder") return undefined;
      node = node.entries.get(name);
    }
    return node;
  }

  #file(path: string): FileNode {
    const node = this.#find(path);
    if (node?.kind !== "file") throw new DiskError("ENOENT", path);
    return node;
  }

  #folder(path: string): FolderNode {
    const node = this.#find(path);
    if (node?.kind !== "folder") throw new DiskError("ENOENT", path);
    return node;
  }

  #parent(path: string): { folder: FolderNode; name: string } {
    const cut = path.lastIndexOf("/");
    return { folder: this.#folder(path.slice(0, cut)), name: path.slice(cut + 1) };
  }
}

function withBytes(data: Buffer, bytes: Buffer, positionBytes: number): Buffer {
  const result = Buffer.alloc(Math.max(data.length, positionBytes + bytes.length));
  data.copy(result);
  bytes.copy(result, positionBytes);
  return result;
}

function newFolder(): FolderNode {
  return { kind: "folder", entries: new Map(), durable: new Map() };
}

/** Sets everything back to what is durable; by chance some of what is not survives. */
function forget(folder: FolderNode, random: (() => number) | undefined): void {
  const survives = () => random !== undefined && random() < 0.5;
  for (const name of new Set([...folder.entries.keys(), ...folder.durable.keys()])) {
    const now = folder.entries.get(name);
    const durable = folder.durable.get(name);
    if (now === durable || survives()) continue;
    if (durable === undefined) folder.entries.delete(name);
    else folder.entries.set(name, durable);
  }
  for (const node of folder.entries.values()) {
    if (node.kind === "folder") forget(node, random);
    else if (!survives()) node.data = Buffer.from(node.durable);
    else node.data = tear(node, random as () => number);
    if (node.kind === "file") {
      node.durable = Buffer.from(node.data);
      delete node.takenForClean;
    }
  }
  folder.durable = new Map(folder.entries);
}

/** The new bytes up to some point, the durable ones (or a hole) behind it. */
function tear(file: FileNode, random: () => number): Buffer {
  if (file.data.equals(file.durable)) return file.data;
  const at = Math.floor(random() * (file.data.length + 1));
  const torn = Buffer.alloc(file.data.length);
  file.durable.copy(torn);
  file.data.copy(torn, 0, 0, at);
  return torn;
}
