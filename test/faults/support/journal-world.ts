import { Journal, type JournalOptions } from "../../../services/common/journal/journal";
import type { JournalDisk } from "../../../services/common/journal/journal-disk";
import { origin } from "../../../services/common/journal/record";
import { encodeTransaction, type FileTexts } from "../../../services/common/journal/statements";
import { DiskError } from "../../../services/storage/disk";
import { SimulatedDisk } from "../../../services/storage/simulated-disk";
import type { Random } from "./random";

export const folderNames = ["a", "b", "c"] as const;
export type FolderName = (typeof folderNames)[number];

/** A journal's files, to be put back later. */
type Copy = ReadonlyMap<string, Buffer>;

/** Three simulated disks, a journal folder on each, and one journal at a time over them. */
export class JournalWorld {
  readonly disks: Readonly<Record<FolderName, SimulatedDisk>>;
  /** Calls to these disks fail. */
  readonly missing = new Set<FolderName>();
  readonly #random: Random;
  readonly #bug: JournalOptions["bug"];

  constructor(random: Random, bug?: JournalOptions["bug"]) {
    this.#random = random;
    this.#bug = bug;
    this.disks = { a: new SimulatedDisk(), b: new SimulatedDisk(), c: new SimulatedDisk() };
    for (const name of folderNames) {
      this.disks[name].fault = async () => {
        // Calls of the three end in any order.
        for (let turns = random.whole(6); turns > 0; turns--) await Promise.resolve();
        if (this.missing.has(name)) throw new DiskError("EIO", `disk ${name} is not there`);
      };
    }
  }

  async makeFolders(): Promise<void> {
    for (const name of folderNames) {
      await this.disks[name].mkdir(`/${name}`);
      await this.disks[name].syncDirectory("/");
    }
    await this.disks.a.mkdir("/new");
    await this.disks.a.mkdir("/d");
    await this.disks.a.syncDirectory("/");
  }

  open(options: Partial<JournalOptions> = {}): Promise<Journal> {
    return Journal.open({
      disk: routed(this.disks),
      folders: folderNames.map((name) => `/${name}/journal`),
      randomHex: (bytes) =>
        Array.from({ length: bytes }, () => this.#random.whole(256).toString(16).padStart(2, "0")).join(""),
      nowMs: () => 0,
      // Small, so that files change often.
      fileBytes: 2_000,
      recentBytes: 4_000,
      bug: this.#bug,
      ...options,
    });
  }

  /** The power fails: what was not synced is lost, or torn. */
  crash(): void {
    for (const name of folderNames) this.disks[name].crash(() => this.#random.next());
  }

  copyOf(name: FolderName): Copy {
    const disk = this.disks[name];
    const copy = new Map<string, Buffer>();
    for (const path of disk.paths())
      disk.corrupt(path, (data) => {
        copy.set(path, Buffer.from(data));
        return data;
      });
    return copy;
  }

  /** Empties the folder, or puts a copy from the past in its place. */
  async replace(name: FolderName, copy: Copy = new Map()): Promise<void> {
    const disk = this.disks[name];
    for (const path of disk.paths()) await disk.unlink(path);
    for (const [path, data] of copy) {
      const fd = await disk.create(path, { synced: true });
      await disk.write(fd, [data], 0);
      await disk.close(fd);
    }
    for (const folder of ["/", `/${name}`, ...(copy.size > 0 ? [`/${name}/journal`] : [])])
      await disk.syncDirectory(folder);
  }
}

/** A transaction that says no more than this text. */
export function bodyOf(text: string): (texts: FileTexts) => Buffer {
  return (texts) => encodeTransaction({ database: text, statements: [] }, texts);
}

/** All that the log holds, as a start would apply it. */
export async function whatLies(journal: Journal): Promise<{ place: string; text: string }[]> {
  const records = await journal.recordsAfter(origin);
  if (records === undefined) throw new Error("the log does not begin at its beginning");
  const found: { place: string; text: string }[] = [];
  for await (const { position, transaction } of records)
    if (transaction !== undefined)
      found.push({ place: `${position.epoch}/${position.number}`, text: transaction.database });
  return found;
}

/** One disk of three, by the first folder of each path. */
function routed(disks: Readonly<Record<FolderName, SimulatedDisk>>): JournalDisk {
  const open = new Map<number, { disk: SimulatedDisk; fd: number }>();
  let nextFd = 1;
  // Other folders than the three lie on the first one's disk.
  const of = (path: string) => disks[/^\/([bc])(\/|$)/.exec(path)?.[1] as FolderName] ?? disks.a;
  const by = (fd: number) => {
    const known = open.get(fd);
    if (known === undefined) throw new DiskError("EBADF", String(fd));
    return known;
  };
  const opened = (disk: SimulatedDisk, fd: number) => {
    open.set(nextFd, { disk, fd });
    return nextFd++;
  };
  return {
    open: async (path) => opened(of(path), await of(path).open(path)),
    create: async (path, how) => opened(of(path), await of(path).create(path, how)),
    write: async (fd, buffers, at) => by(fd).disk.write(by(fd).fd, buffers, at),
    read: async (fd, into, at) => by(fd).disk.read(by(fd).fd, into, at),
    alignedMemory: (length) => new Uint8Array(length),
    sizeOf: async (fd) => by(fd).disk.sizeOf(by(fd).fd),
    close: async (fd) => {
      const { disk, fd: own } = by(fd);
      open.delete(fd);
      await disk.close(own);
    },
    rename: (from, to) => of(from).rename(from, to),
    unlink: (path) => of(path).unlink(path),
    mkdir: (path) => of(path).mkdir(path),
    list: (path) => of(path).list(path),
    stat: (path) => of(path).stat(path),
    syncDirectory: (path) => of(path).syncDirectory(path),
  };
}
