import { alignedUp, type JournalDisk } from "./journal-disk";
import type { OpenCopy } from "./level-folder";
import type { RecentRecord, RecentRecords } from "./recent-records";

/** What goes into one write; three folders have as much memory each for the life of the journal (I7). */
const chunkBytes = 256 * 1024;

/**
 * Writes one folder's log: what waits goes together, in one synced write; while that runs the next gathers. After an
 * error it never writes again (P9): nobody knows what it left.
 */
export class FolderWriter {
  readonly folder: string;
  readonly member: string;
  readonly #disk: JournalDisk;
  readonly #recent: RecentRecords;
  readonly #synced: boolean;
  readonly #changed: () => void;
  readonly #memory: Uint8Array;
  #file: { fd: number; path: string; endBytes: number } | undefined;
  #durable: number;
  #running: Promise<void> | undefined;
  #failure: Error | undefined;
  /** Synced writes so far. */
  syncs = 0;

  constructor(options: {
    readonly disk: JournalDisk;
    readonly folder: string;
    readonly member: string;
    readonly recent: RecentRecords;
    readonly synced: boolean;
    /** The last record that it holds. */
    readonly durable: number;
    /** The file that it goes on with; without one, the next record begins a file. */
    readonly open?: (OpenCopy & { readonly path: string }) | undefined;
    /** Told when more is durable, and when it failed. */
    readonly changed: () => void;
  }) {
    this.folder = options.folder;
    this.member = options.member;
    this.#disk = options.disk;
    this.#recent = options.recent;
    this.#synced = options.synced;
    this.#durable = options.durable;
    this.#file = options.open === undefined ? undefined : { ...options.open };
    this.#changed = options.changed;
    this.#memory = options.disk.alignedMemory(chunkBytes);
  }

  /** The last record that lies synced here. */
  get durable(): number {
    return this.#durable;
  }

  /** Why it writes no more. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** The file that is being written to. */
  get path(): string | undefined {
    return this.#file?.path;
  }

  /** There is something to write. */
  wake(): void {
    // Begun a moment later: where nothing is to be written it ends at once, and must not end before it is known to run.
    if (this.#failure === undefined) this.#running ??= Promise.resolve().then(() => this.#run());
  }

  /** Writes no more; what runs ends by itself. */
  fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#changed();
  }

  /** Waits for what runs, and closes the file. */
  async close(): Promise<void> {
    this.#failure ??= new Error("closed");
    await this.#running;
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) await this.#disk.close(file.fd).catch(() => {});
  }

  async #run(): Promise<void> {
    try {
      while (this.#failure === undefined) {
        const records = this.#recent.after(this.#durable);
        if (records === "gone") throw new Error("it fell behind further than is kept in memory");
        if (records.length === 0) break;
        await this.#writeSome(records);
        this.#changed();
      }
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#running = undefined;
    }
  }

  /** Those of one file. */
  async #writeSome(records: readonly RecentRecord[]): Promise<void> {
    const [first] = records;
    if (first === undefined) return;
    const buffers: Buffer[] = [];
    if (first.begins !== undefined) {
      await this.#beginFile(first.begins.name);
      buffers.push(first.begins.header);
    }
    const nextFile = records.findIndex((record, index) => index > 0 && record.begins !== undefined);
    const together = nextFile < 0 ? records : records.slice(0, nextFile);
    for (const record of together) buffers.push(record.bytes);
    await this.#append(buffers);
    if (first.begins !== undefined && this.#synced) await this.#disk.syncDirectory(this.folder);
    this.#durable = (together.at(-1) as RecentRecord).number;
  }

  async #beginFile(name: string): Promise<void> {
    if (this.#file !== undefined) await this.#disk.close(this.#file.fd);
    this.#file = undefined;
    const path = `${this.folder}/${name}`;
    this.#file = {
      fd: await this.#disk.create(path, { synced: this.#synced, direct: true }),
      path,
      endBytes: 0,
    };
  }

  /** One write for all, or one a chunk; from one block boundary to the next. */
  async #append(buffers: readonly Buffer[]): Promise<void> {
    const file = this.#file;
    if (file === undefined) throw new Error("no file was begun");
    const memory = this.#memory;
    let filled = 0;
    const writeOut = async () => {
      const length = alignedUp(filled);
      memory.fill(0, filled, length);
      await this.#disk.write(file.fd, [memory.subarray(0, length)], file.endBytes);
      this.syncs += 1;
      file.endBytes += length;
      filled = 0;
    };
    for (const buffer of buffers) {
      for (let at = 0; at < buffer.length; ) {
        const part = buffer.subarray(at, at + memory.length - filled);
        memory.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled === memory.length) await writeOut();
      }
    }
    if (filled > 0) await writeOut();
  }
}
