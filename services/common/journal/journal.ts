import { CairnError } from "../errors/cairn-error";
import { writeClaim } from "./claim-file";
import { FolderWriter } from "./folder-writer";
import type { JournalDisk } from "./journal-disk";
import { levelFolder } from "./level-folder";
import { encodeFileHeader, type LogFileHeader, logFileName } from "./log-file";
import { quorum } from "./members";
import { type LogEntry, logFilesOf, recordsAfter } from "./read-log";
import { RecentRecords } from "./recent-records";
import { encodeRecord, maxRecordBytes, origin, type Position, type RecordKind } from "./record";
import { startLog } from "./start-log";
import { type FolderBehind, JournalUnusable, type RunningClaim, type StartOptions } from "./start-options";
import type { FileTexts } from "./statements";
import { surveyFolder } from "./survey";

export type JournalOptions = StartOptions & {
  readonly nowMs: () => number;
  /** A file that is longer is followed by another. Default 16 MiB. */
  readonly fileBytes?: number;
  /** Records kept in memory for folders that are slower than the others. Default 8 MiB. */
  readonly recentBytes?: number;
};

/** How one folder is, for health, metrics and people. */
export type FolderStatus = {
  readonly folder: string;
  /** It holds all that is durable, and counts. */
  readonly level: boolean;
  /** Why not. */
  readonly reason: string;
  /** Its disk refused. */
  readonly failed: boolean;
  readonly lastNumber: number;
  readonly syncs: number;
};

type Waiting = {
  readonly position: Position;
  readonly resolve: (position: Position) => void;
  readonly reject: (error: unknown) => void;
};

const megabyte = 1024 * 1024;

/**
 * The log that makes embedded metadata durable (P5): one order of records in three folders, each record durable once
 * two have synced it. A folder that fails is dropped and brought level again by `mend`; when fewer than two are left,
 * what is under way is neither given up nor followed: changes are refused, and `mend` goes through the start again.
 */
export class Journal {
  readonly #options: JournalOptions;
  readonly #disk: JournalDisk;
  readonly #synced: boolean;
  #claim: RunningClaim = { history: "", former: [], epoch: 0, claimId: "" };
  #members: readonly string[] = [];
  #joining: { readonly member: string; readonly members: readonly string[]; number: number } | undefined;
  #writers: FolderWriter[] = [];
  #behind = new Map<string, Pick<FolderBehind, "reason" | "failed">>();
  #recent: RecentRecords;
  #file: { texts: FileTexts; bytes: number } | undefined;
  #lastFile = "";
  #last: Position = origin;
  #begunAt: Position = origin;
  #durable = 0;
  #waiting: Waiting[] = [];
  #halted: Error | undefined = new Error("not begun");
  readonly #mending = new Set<string>();
  #closed = false;

  private constructor(options: JournalOptions) {
    this.#options = options;
    this.#disk = options.disk;
    this.#synced = options.bug !== "no-sync";
    this.#recent = this.#newRecent();
  }

  /** Goes through P5's start. Throws JournalUnusable. */
  static async open(options: JournalOptions): Promise<Journal> {
    const journal = new Journal(options);
    await journal.#begin(options);
    return journal;
  }

  /** A database that stood at an earlier one has records to apply before it goes on. */
  get epoch(): number {
    return this.#claim.epoch;
  }

  /** This start made it: nothing was recorded before. */
  get isNew(): boolean {
    return this.#begunAt === origin;
  }

  /** The history, when an operator's word began it; undefined while the first one goes on. */
  get acceptedHistory(): string | undefined {
    return this.#claim.former.length > 0 ? this.#claim.history : undefined;
  }

  /** The last record that is durable. */
  get durableNumber(): number {
    return this.#durable;
  }

  /** Why changes are refused; undefined when they are not. */
  get halted(): Error | undefined {
    return this.#halted;
  }

  /**
   * Appends a record; resolves with its place once it is durable. `encode` is called at once. Rejects with
   * DATABASE_UNAVAILABLE when nothing was written, OUTCOME_UNKNOWN when a later start may find it or not.
   */
  append(kind: RecordKind, encode: (texts: FileTexts) => Buffer): Promise<Position> {
    if (this.#halted !== undefined) return Promise.reject(this.#unavailable(this.#halted));
    const { fileBytes = 16 * megabyte } = this.#options;
    const isFirst = this.#file === undefined || this.#file.bytes >= fileBytes;
    const file = isFirst
      ? { texts: new Map<string, number>(), bytes: 0 }
      : (this.#file as { texts: FileTexts; bytes: number });
    const body = encode(file.texts);
    if (body.length > maxRecordBytes / 2) {
      // Its texts may be counted as written: the next record begins a file.
      this.#file = undefined;
      return Promise.reject(new Error(`a record of ${body.length} bytes is more than the journal takes`));
    }
    this.#file = file;
    const header: LogFileHeader = {
      format: 1,
      history: this.#claim.history,
      epoch: this.#claim.epoch,
      previous: this.#last,
      previousFile: this.#lastFile,
      members: this.#members,
      madeAtMs: this.#options.nowMs(),
    };
    const { bytes, position } = encodeRecord(this.#last, this.#claim.epoch, kind, body);
    file.bytes += bytes.length;
    if (isFirst) this.#lastFile = logFileName(header);
    this.#last = position;
    this.#recent.add({
      number: position.number,
      bytes,
      begins: isFirst ? { name: this.#lastFile, header: encodeFileHeader(header) } : undefined,
    });
    return new Promise((resolve, reject) => {
      this.#waiting.push({ position, resolve, reject });
      for (const writer of this.#writers) writer.wake();
    });
  }

  /** The records behind a position, those that are durable; undefined when it does not lie on the log. */
  async recordsAfter(after: Position): Promise<AsyncGenerator<LogEntry, void> | undefined> {
    const through = this.#durable;
    const folders = this.#writers.map(({ folder }) => folder);
    for (const folder of folders) {
      const files = await logFilesOf(this.#disk, folder, this.#claim);
      const records = await recordsAfter(this.#disk, files, after);
      if (records !== undefined) return this.#readOn(records, folders, folder, after, through);
    }
    return undefined;
  }

  /** Goes on in another folder where one is damaged. */
  async *#readOn(
    records: AsyncGenerator<LogEntry, void>,
    folders: readonly string[],
    first: string,
    after: Position,
    through: number,
  ): AsyncGenerator<LogEntry, void> {
    let last = after;
    let reading: AsyncGenerator<LogEntry, void> | undefined = records;
    for (const other of [undefined, ...folders.filter((folder) => folder !== first)]) {
      if (other !== undefined) {
        const files = await logFilesOf(this.#disk, other, this.#claim);
        reading = await recordsAfter(this.#disk, files, last);
      }
      if (reading === undefined) continue;
      for await (const record of reading) {
        if (record.position.number > through) return;
        yield record;
        last = record.position;
      }
      if (last.number >= through) return;
    }
    throw new JournalUnusable(
      `The journal is damaged: none of ${folders.join(", ")} holds record ${last.number + 1}. ` +
        "Restore the data folders from a backup.",
    );
  }

  status(): FolderStatus[] {
    return this.#options.folders.map((folder) => {
      const writer = this.#writers.find((known) => known.folder === folder);
      const level =
        this.#halted === undefined &&
        writer !== undefined &&
        writer.failure === undefined &&
        this.#members.includes(writer.member);
      const behind = this.#behind.get(folder);
      const reason = level ? "" : (behind?.reason ?? this.#halted?.message ?? "it is being brought level");
      const failed = !level && behind?.failed === true;
      return { folder, level, reason, failed, lastNumber: writer?.durable ?? 0, syncs: writer?.syncs ?? 0 };
    });
  }

  /**
   * Looks after the folders; to be called again and again, whether or not the call before has ended: a folder that
   * hangs is left to that one. Notices a folder that was removed, brings those behind level, and goes through the
   * start again when changes are refused. Throws JournalUnusable when that did not succeed.
   */
  async mend(): Promise<void> {
    if (this.#closed) return;
    if (this.#halted !== undefined) await this.#once("", () => this.#beginAgain());
    await Promise.all(
      this.#options.folders.map((folder) => this.#once(folder, () => this.#mendFolder(folder))),
    );
  }

  /**
   * Removes a folder's files whose records all lie before this one. Only behind a snapshot that was synced and read
   * back in the same folder (P5).
   */
  async cut(folder: string, before: number): Promise<void> {
    const files = await logFilesOf(this.#disk, folder, this.#claim);
    for (const [index, file] of files.entries()) {
      const next = files[index + 1];
      if (next === undefined || next.header.previous.number >= before) return;
      await this.#disk.unlink(file.path);
      await this.#disk.syncDirectory(folder);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#halted ??= new Error("the journal is closed");
    await Promise.all(this.#writers.map((writer) => writer.close()));
    this.#refuseWaiting();
  }

  async #once(what: string, work: () => Promise<void>): Promise<void> {
    if (this.#mending.has(what)) return;
    this.#mending.add(what);
    await work().finally(() => this.#mending.delete(what));
  }

  async #beginAgain(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.close()));
    await this.#begin({ ...this.#options, acceptLoss: false });
  }

  async #begin(options: StartOptions): Promise<void> {
    const started = await startLog(options);
    this.#claim = started.claim;
    this.#members = started.members;
    this.#joining = undefined;
    this.#last = started.tail;
    this.#lastFile = started.lastFile;
    this.#begunAt = started.tail;
    this.#durable = started.tail.number;
    this.#file = undefined;
    this.#recent = this.#newRecent();
    this.#behind = new Map(started.behind.map((behind) => [behind.folder, behind]));
    this.#writers = started.level.map(({ folder, member }) =>
      this.#newWriter({ folder, member, durable: started.tail.number }),
    );
    this.#halted = undefined;
    const { claimId } = started.claim;
    try {
      const first = this.append("epoch", () =>
        Buffer.from(JSON.stringify({ claimId, members: started.members })),
      );
      if (options.bug === "no-claim") first.catch(() => {});
      else await first;
    } catch (error) {
      await Promise.all(this.#writers.map((writer) => writer.close()));
      throw new JournalUnusable(`The journal's new epoch could not be written: ${told(error)}`);
    }
  }

  #newRecent(): RecentRecords {
    return new RecentRecords(this.#options.recentBytes ?? 8 * megabyte);
  }

  #newWriter(
    place: Pick<ConstructorParameters<typeof FolderWriter>[0], "folder" | "member" | "durable" | "open">,
  ) {
    const recent = this.#recent;
    const writer: FolderWriter = new FolderWriter({
      ...place,
      disk: this.#disk,
      recent,
      synced: this.#synced,
      changed: () => {
        if (this.#recent === recent) this.#changed(writer);
      },
    });
    return writer;
  }

  #changed(writer: FolderWriter): void {
    if (writer.failure !== undefined) this.#setFailed(writer.folder, writer.failure);
    if (this.#halted !== undefined) return;
    const joining = this.#joining;
    if (joining !== undefined && this.#isIn(joining.members, joining.number)) {
      this.#members = joining.members;
      this.#joining = undefined;
    }
    const counted = this.#writers.filter(({ member }) => this.#members.includes(member));
    const [, second = 0] = counted.map(({ durable }) => durable).sort((a, b) => b - a);
    this.#durable = Math.max(this.#durable, second);
    let done = 0;
    for (const { position, resolve } of this.#waiting) {
      if (position.number > this.#durable) break;
      resolve(position);
      done += 1;
    }
    if (done > 0) this.#waiting.splice(0, done);
    if (counted.filter(({ failure }) => failure === undefined).length < quorum)
      this.#halt(new Error(`fewer than ${quorum} of its folders can be written`));
  }

  /** Synced in the new member and in all that stay and can be written. */
  #isIn(members: readonly string[], number: number): boolean {
    const there = this.#writers.filter(({ member }) => members.includes(member));
    return there.length === members.length && there.every(({ durable }) => durable >= number);
  }

  #halt(error: Error): void {
    this.#halted = error;
    this.#refuseWaiting();
  }

  #setFailed(folder: string, error: unknown): void {
    this.#behind.set(folder, { reason: told(error), failed: true });
  }

  #refuseWaiting(): void {
    for (const { reject } of this.#waiting.splice(0))
      reject(
        new CairnError("OUTCOME_UNKNOWN", {
          message: `The journal did not take a record in ${quorum} folders: ${this.#halted?.message}.`,
        }),
      );
  }

  #unavailable(cause: Error): CairnError {
    return new CairnError("DATABASE_UNAVAILABLE", {
      message: `The journal takes no changes: ${cause.message}.`,
      cause,
    });
  }

  async #mendFolder(folder: string): Promise<void> {
    const writer = this.#writers.find((known) => known.folder === folder);
    if (writer !== undefined && writer.failure === undefined) {
      const { path } = writer;
      const there = path === undefined || (await this.#disk.stat(path).catch(() => undefined)) !== undefined;
      // Another file may have been begun meanwhile.
      if (!there && writer.path === path) writer.fail(new Error("its files are gone"));
      if (writer.failure === undefined) return;
    }
    if (this.#halted !== undefined) return;
    try {
      await this.#rejoin(folder, writer);
    } catch (error) {
      if (this.#halted === undefined) this.#setFailed(folder, error);
    }
  }

  /** Brings a folder level while others are being written, and lets it count: at once as who it was, or as a new member. */
  async #rejoin(folder: string, failed: FolderWriter | undefined): Promise<void> {
    const recent = this.#recent;
    await failed?.close();
    const members = this.#joining?.members ?? this.#members;
    const found = await surveyFolder(this.#disk, folder);
    const own = found.claim;
    const isMember = own !== undefined && own.history === this.#claim.history && members.includes(own.member);
    if (!isMember && this.#joining !== undefined) return;
    const member = isMember ? own.member : this.#options.randomHex(16);
    await writeClaim(this.#disk, folder, { format: 1, ...this.#claim, member });
    for (let tries = 1; tries <= 5; tries += 1) {
      const live = this.#writers.find((known) => known.failure === undefined && known.folder !== folder);
      if (live === undefined || this.#recent !== recent || this.#closed) return;
      const target = await surveyFolder(this.#disk, folder);
      const source = await surveyFolder(this.#disk, live.folder);
      const open = await levelFolder(this.#disk, target, source, true);
      const reached = source.tail.number;
      const last = source.files.at(-1);
      const stillHere = this.#recent === recent && this.#halted === undefined && !this.#closed;
      if (!stillHere || recent.after(reached) === "gone" || open === undefined || last === undefined) {
        if (open !== undefined) await this.#disk.close(open.fd);
        if (stillHere) continue;
        return;
      }
      const path = `${folder}/${last.name}`;
      const writer = this.#newWriter({ folder, member, durable: reached, open: { ...open, path } });
      this.#writers = [...this.#writers.filter((known) => known.folder !== folder), writer];
      this.#behind.delete(folder);
      if (!isMember) this.#join(member);
      writer.wake();
      return;
    }
    throw new Error("the others write faster than it is brought level");
  }

  /** Names the new member in the log, in the place of one that is not written any more. */
  #join(member: string): void {
    const written = this.#writers
      .filter(({ failure }) => failure === undefined)
      .map((writer) => writer.member);
    const stay = this.#members.filter((known) => written.includes(known));
    const members = [...stay, member];
    this.#joining = { member, members, number: this.#last.number + 1 };
    this.append("members", () => Buffer.from(JSON.stringify({ members }))).catch(() => {});
  }
}

function told(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
