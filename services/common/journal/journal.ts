import { CairnError } from "../errors/cairn-error";
import { writeClaim } from "./claim-file";
import { FolderWriter } from "./folder-writer";
import type { JournalDisk } from "./journal-disk";
import { levelWhileWritten } from "./level-while-written";
import { LogEnd } from "./log-end";
import { quorum } from "./members";
import { Membership } from "./membership";
import { readFolders } from "./read-folders";
import { type LogEntry, logFilesOf } from "./read-log";
import { RecentRecords } from "./recent-records";
import { origin, type Position, type RecordKind } from "./record";
import { startLog } from "./start-log";
import {
  type FolderBehind,
  JournalUnusable,
  type RunningClaim,
  type Started,
  type StartOptions,
} from "./start-options";
import type { FileTexts } from "./statements";
import { surveyFolder } from "./survey";
import { WaitingAppends } from "./waiting-appends";

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

type Replacing = {
  readonly from: string;
  readonly to: string;
  readonly resolve: () => void;
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
  readonly #membership = new Membership();
  #folders: readonly string[];
  #replacing: Replacing | undefined;
  /** The folder that is written no more, for the one that takes its place. */
  #leaving: string | undefined;
  #writers: FolderWriter[] = [];
  #behind = new Map<string, Pick<FolderBehind, "reason" | "failed">>();
  #recent: RecentRecords;
  #end: LogEnd;
  #begunAt: Position = origin;
  #durable = 0;
  readonly #waiting = new WaitingAppends();
  #halted: Error | undefined = new Error("not begun");
  readonly #mending = new Set<string>();
  #closed = false;

  private constructor(options: JournalOptions) {
    this.#options = options;
    this.#disk = options.disk;
    this.#folders = options.folders;
    this.#synced = options.bug !== "no-sync";
    this.#recent = this.#newRecent();
    this.#end = this.#newEnd({ claim: this.#claim, tail: origin, lastFile: "" });
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
    const { members } = this.#membership;
    let position: Position;
    try {
      const record = this.#end.next(kind, encode, { members, nowMs: this.#options.nowMs() });
      this.#recent.add(record);
      position = record.position;
    } catch (error) {
      return Promise.reject(error);
    }
    const durable = this.#waiting.until(position);
    for (const writer of this.#writers) writer.wake();
    return durable;
  }

  /** The records behind a position, those that are durable; undefined when it does not lie on the log. */
  recordsAfter(after: Position): Promise<AsyncGenerator<LogEntry, void> | undefined> {
    const folders = this.#writers.map(({ folder }) => folder);
    const reading = { disk: this.#disk, folders, claim: this.#claim, through: this.#durable };
    return readFolders(reading, after);
  }

  status(): FolderStatus[] {
    return this.#folders.map((folder) => {
      const writer = this.#writerOf(folder);
      const level =
        this.#halted === undefined &&
        writer !== undefined &&
        writer.failure === undefined &&
        this.#membership.members.includes(writer.member);
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
    await Promise.all(this.#folders.map((folder) => this.#once(folder, () => this.#mendFolder(folder))));
    this.#settleReplacing();
  }

  /**
   * Lets one folder take the place of another while records are written (P5): the other counts until the new one is
   * level and the record that names it lies in it and in the two that stay. Resolves then; needs `mend` to be called.
   * Rejects when another one is being replaced, and when the journal is closed before.
   */
  replaceFolder(from: string, to: string): Promise<void> {
    if (this.#replacing !== undefined || this.#closed || !this.#folders.includes(from))
      return Promise.reject(new Error(`${from} cannot be replaced now`));
    this.#folders = [...this.#folders, to];
    return new Promise((resolve, reject) => {
      this.#replacing = { from, to, resolve, reject };
    });
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
    this.#replacing?.reject(new Error("the journal is closed"));
  }

  #writerOf(folder: string): FolderWriter | undefined {
    return this.#writers.find((known) => known.folder === folder);
  }

  async #once(what: string, work: () => Promise<void>): Promise<void> {
    if (this.#mending.has(what)) return;
    this.#mending.add(what);
    await work().finally(() => this.#mending.delete(what));
  }

  async #beginAgain(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.close()));
    await this.#begin({ ...this.#options, folders: this.#folders, acceptLoss: false });
  }

  async #begin(options: StartOptions): Promise<void> {
    const started = await startLog(options);
    this.#claim = started.claim;
    this.#membership.begin(started.members);
    this.#leaving = undefined;
    this.#end = this.#newEnd(started);
    this.#begunAt = started.tail;
    this.#durable = started.tail.number;
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

  #newEnd(started: Pick<Started, "claim" | "tail" | "lastFile">): LogEnd {
    return new LogEnd(started, this.#options.fileBytes ?? 16 * megabyte);
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
    this.#membership.settle(this.#writers);
    const counted = this.#membership.counted(this.#writers);
    const [, second = 0] = counted.map(({ durable }) => durable).sort((a, b) => b - a);
    this.#durable = Math.max(this.#durable, second);
    this.#waiting.resolveThrough(this.#durable);
    if (counted.filter(({ failure }) => failure === undefined).length < quorum)
      this.#halt(new Error(`fewer than ${quorum} of its folders can be written`));
  }

  #halt(error: Error): void {
    this.#halted = error;
    this.#refuseWaiting();
  }

  #setFailed(folder: string, error: unknown): void {
    this.#behind.set(folder, { reason: told(error), failed: true });
  }

  #refuseWaiting(): void {
    this.#waiting.rejectAll(
      () =>
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
    const writer = this.#writerOf(folder);
    if (writer !== undefined && writer.failure === undefined) {
      const { path } = writer;
      const there = path === undefined || (await this.#disk.stat(path).catch(() => undefined)) !== undefined;
      // Another file may have been begun meanwhile.
      if (!there && writer.path === path) writer.fail(new Error("its files are gone"));
      if (writer.failure === undefined) return;
    }
    if (this.#halted !== undefined || folder === this.#leaving) return;
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
    const members = this.#membership.next;
    const found = await surveyFolder(this.#disk, folder);
    const own = found.claim;
    const isMember = own !== undefined && own.history === this.#claim.history && members.includes(own.member);
    if (!isMember && this.#membership.isChanging) return;
    const member = isMember ? own.member : this.#options.randomHex(16);
    await writeClaim(this.#disk, folder, { format: 1, ...this.#claim, member });
    const level = await levelWhileWritten({
      ...{ disk: this.#disk, folder, recent },
      live: () =>
        this.#writers.find((known) => known.failure === undefined && known.folder !== folder)?.folder,
      goesOn: () => this.#recent === recent && this.#halted === undefined && !this.#closed,
    });
    if (level === undefined) return;
    const writer = this.#newWriter({ folder, member, ...level });
    this.#writers = [...this.#writers.filter((known) => known.folder !== folder), writer];
    this.#behind.delete(folder);
    if (!isMember) this.#join(writer);
    writer.wake();
  }

  /** Names the new member in the log, in the place of one that is not written any more or is being replaced. */
  #join({ member, folder }: FolderWriter): void {
    const replacing = this.#replacing;
    const leaving = replacing?.to === folder ? this.#writerOf(replacing.from) : undefined;
    const members = this.#membership.propose(member, leaving?.member, this.#writers);
    if (members === undefined || this.#membership.isChanging) return;
    this.#membership.change(members, this.#end.last.number + 1);
    // Who leaves must not hold the record that sends it away: by its own word it would be none, while it counts.
    if (leaving !== undefined && this.#options.bug !== "leaves-late") {
      this.#leaving = leaving.folder;
      leaving.fail(new Error("another folder takes its place"));
    }
    this.append("members", () => Buffer.from(JSON.stringify({ members }))).catch(() => {});
  }

  /** Goes on without the folder that was replaced, once the new one counts and it does not. */
  #settleReplacing(): void {
    const replacing = this.#replacing;
    if (replacing === undefined) return;
    const { from, to, resolve } = replacing;
    const [former, fresh] = [this.#writerOf(from), this.#writerOf(to)];
    const { members } = this.#membership;
    if (fresh === undefined || !members.includes(fresh.member)) {
      // Level, and not named yet: it had to wait.
      if (fresh !== undefined && fresh.failure === undefined && this.#halted === undefined) this.#join(fresh);
      return;
    }
    if (former !== undefined && members.includes(former.member)) return;
    this.#folders = this.#folders
      .filter((folder) => folder !== to)
      .map((folder) => (folder === from ? to : folder));
    this.#writers = this.#writers.filter((writer) => writer !== former);
    this.#behind.delete(from);
    this.#replacing = undefined;
    this.#leaving = undefined;
    void former?.close().then(resolve);
    if (former === undefined) resolve();
  }
}

function told(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
