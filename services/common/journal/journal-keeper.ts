import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { Counter, Gauge } from "prom-client";
import type { DependencyHealth } from "../lifecycle/running-service";
import type { Logger } from "../log/logger";
import type { Metrics } from "../metrics/metrics";
import { type JournalledDatabase, type JournalPlace, positionIn } from "../sql/journalled";
import type { Clock } from "../time/clock";
import { Journal, type JournalOptions } from "./journal";
import { origin, type Position } from "./record";
import { checkpoint, makeSnapshot, type Progress, restoreFile, snapshotsIn } from "./snapshots";
import { JournalUnusable } from "./start-options";

/** A folder for the databases' files, and the journal's folder that goes when its disk goes. */
export type DatabaseFolder = { readonly folder: string; readonly beside: string };

export type KeeperOptions = {
  /** Where the databases may lie: in the first of these whose journal folder did not fail at the start. */
  readonly states: readonly DatabaseFolder[];
  readonly journal: JournalOptions;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Tells people what a long start does; called at most twice a second. */
  readonly say: (line: string) => void;
  /** A snapshot after so long, when something changed. Default an hour. */
  readonly snapshotEveryMs?: number;
  /** A snapshot after so many records. Default a million. */
  readonly snapshotEveryRecords?: number;
  readonly mendEveryMs?: number;
};

/** SQLite's log is folded into its file beyond so many bytes: as much has to be replayed after a power cut. */
const foldInBytes = 32 * 1024 * 1024;

/**
 * Keeps the journal of an embedded store (P5): hands each database its place, makes its file anew where it was lost,
 * mends folders, folds SQLite's logs in and makes snapshots, all off the thread that serves requests.
 */
export class JournalKeeper {
  readonly journal: Journal;
  /** The folder that the databases lie in. */
  readonly stateFolder: string;
  readonly #beside: string;
  readonly #options: KeeperOptions;
  readonly #databases: JournalledDatabase[] = [];
  readonly #looking: Promise<void>;
  #working: Promise<void> | undefined;
  readonly #end = new AbortController();
  #adopted = false;
  #snapshotAtMs: number;
  #snapshotNumber: number;
  #saidAtMs = Number.NEGATIVE_INFINITY;

  private constructor(journal: Journal, options: KeeperOptions) {
    this.journal = journal;
    this.#options = options;
    const { folders } = options.journal;
    const failed = journal.status().filter((status) => status.failed);
    const state =
      options.states.find(({ beside }) => failed.every(({ folder }) => folder !== beside)) ??
      options.states[0];
    this.stateFolder = state?.folder ?? "";
    this.#beside = state?.beside ?? "";
    this.#snapshotAtMs = options.clock.monotonicMs();
    this.#snapshotNumber = snapshotsIn(folders)[0]?.number ?? 0;
    journalMetrics(options.metrics, journal);
    this.#looking = this.#lookAgainAndAgain();
  }

  /** Goes through the journal's start. Throws JournalUnusable. */
  static async open(options: KeeperOptions): Promise<JournalKeeper> {
    const journal = await Journal.open(options.journal);
    for (const folder of options.journal.folders) removeUnfinished(folder);
    return new JournalKeeper(journal, options);
  }

  place(name: string): JournalPlace {
    return {
      journal: this.journal,
      name,
      prepare: (path) => this.#prepare(name, path),
      opened: (database) => void this.#databases.push(database),
    };
  }

  /** To be called once all databases are open. A store from before the journal has no snapshot: it gets one first. */
  async started(): Promise<void> {
    if (this.#adopted) await this.snapshot();
  }

  health(): DependencyHealth[] {
    return this.journal.status().map(({ folder, level, reason }) => ({
      name: `journal ${folder}`,
      ok: level,
      latencyMs: 0,
      ...(level ? {} : { detail: reason }),
    }));
  }

  /**
   * Marks a place in the log, brings every database to it, copies them into every folder but the one beside them, and
   * cuts each folder's log behind what lies synced in that folder.
   */
  async snapshot(): Promise<void> {
    const mark = await this.journal.append("mark", () => Buffer.alloc(0));
    for (const database of this.#databases) await database.advance(mark);
    for (const folder of this.#levelFolders()) {
      if (folder === this.#beside) continue;
      const databases = this.#databases.map(({ name, path }) => ({ name, path }));
      await makeSnapshot({ databases, folder, number: mark.number }, this.#end.signal);
      await this.journal.cut(folder, mark.number);
    }
    // Beside the databases their own files are the snapshot, once all up to the mark is folded in and synced.
    if ((await this.#foldIn(this.#databases)) && this.#levelFolders().includes(this.#beside))
      await this.journal.cut(this.#beside, mark.number);
    this.#snapshotNumber = mark.number;
    this.#snapshotAtMs = this.#options.clock.monotonicMs();
    this.#options.log.info({ number: mark.number }, "a snapshot of names and keys was made");
  }

  async close(): Promise<void> {
    this.#end.abort();
    await this.#looking;
    // A snapshot that is not whole has no name yet: it is given up.
    await this.#working;
    await this.journal.close();
  }

  async #lookAgainAndAgain(): Promise<void> {
    const { clock, mendEveryMs = 1_000 } = this.#options;
    while (!this.#end.signal.aborted) {
      await clock.sleep(mendEveryMs, this.#end.signal);
      if (!this.#end.signal.aborted) this.#look();
    }
  }

  /** Waits for nothing: a folder that hangs must not keep the others from being mended. */
  #look(): void {
    this.journal
      .mend()
      .catch((error) => this.#options.log.warn({ err: error }, "the journal takes no changes"));
    this.#working ??= this.#work()
      .catch((error) => {
        if (!this.#end.signal.aborted)
          this.#options.log.warn({ err: error }, "the journal's upkeep failed; it is tried again");
        // Not at once again.
        this.#snapshotAtMs = this.#options.clock.monotonicMs();
        this.#snapshotNumber = this.journal.durableNumber;
      })
      .finally(() => {
        this.#working = undefined;
      });
  }

  async #work(): Promise<void> {
    if (this.#end.signal.aborted || this.journal.halted !== undefined) return;
    const { snapshotEveryMs = 3_600_000, snapshotEveryRecords = 1_000_000 } = this.#options;
    const since = this.journal.durableNumber - this.#snapshotNumber;
    const lacking = this.#levelFolders().some(
      (folder) => folder !== this.#beside && snapshotsIn([folder]).length === 0,
    );
    const sinceMs = this.#options.clock.monotonicMs() - this.#snapshotAtMs;
    const due = since > 1 && (sinceMs >= snapshotEveryMs || since >= snapshotEveryRecords);
    // A folder that came anew has none; where nothing has been cut yet, its log is enough.
    if (due || (lacking && this.#snapshotNumber > 0)) await this.snapshot();
    else await this.#foldIn(this.#databases.filter(({ path }) => bytesOf(`${path}-wal`) > foldInBytes));
  }

  #levelFolders(): string[] {
    return this.journal.status().flatMap(({ folder, level }) => (level ? [folder] : []));
  }

  /** First while others write, then the rest while they wait: so SQLite's log begins anew. */
  async #foldIn(databases: readonly JournalledDatabase[]): Promise<boolean> {
    let whole = true;
    for (const { path, hold } of databases) {
      if (this.#end.signal.aborted) return false;
      await checkpoint({ path, mode: "PASSIVE" }, this.#end.signal);
      await hold(async () => {
        whole = (await checkpoint({ path, mode: "TRUNCATE" }, this.#end.signal)) && whole;
      });
    }
    return whole;
  }

  /** See JournalPlace. */
  async #prepare(name: string, path: string): Promise<void> {
    const stands = existsSync(path) ? positionOf(path, name) : "nothing";
    if (stands !== "nothing" && stands !== "never" && (await this.#liesOn(stands))) return;
    if (stands === "never" && this.journal.isNew) {
      this.#adopted = true;
      return;
    }
    // A log without its file is another one's: SQLite would take it for the new file's.
    const endings = ["", "-wal", "-shm"].filter((ending) => existsSync(`${path}${ending}`));
    if (endings.length > 0) {
      this.#options.say(`${path} does not lie on the journal: it is set aside and made anew.`);
      for (const ending of endings) renameSync(`${path}${ending}`, `${path}.set-aside${ending}`);
    }
    for (const snapshot of snapshotsIn(this.#options.journal.folders)) {
      const file = `${snapshot.path}/${name}.db`;
      const position = existsSync(file) ? positionOf(file, name) : "nothing";
      if (position === "nothing" || position === "never" || !(await this.#liesOn(position))) continue;
      await restoreFile(file, path, this.#end.signal, (progress) =>
        this.#tell(`Restoring ${name} from ${snapshot.path}`, progress),
      );
      return;
    }
    if ((await this.journal.recordsAfter(origin)) !== undefined) return;
    throw new JournalUnusable(
      `${path} is lost, and no folder holds a snapshot of it that the journal goes on from ` +
        `(${this.#options.journal.folders.join(", ")}). Restore the data folders from a backup.`,
    );
  }

  async #liesOn(position: Position): Promise<boolean> {
    return (await this.journal.recordsAfter(position)) !== undefined;
  }

  #tell(what: string, { done, total }: Progress): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs - this.#saidAtMs < 500 && done < total) return;
    this.#saidAtMs = nowMs;
    this.#options.say(
      `${what}: ${Math.floor((100 * done) / Math.max(1, total))} % of ${Math.ceil(total / 1_048_576)} MiB`,
    );
  }
}

/** What a kill left of a snapshot or of a file's copy: as long as the whole, and nobody's until the next one. */
function removeUnfinished(folder: string): void {
  try {
    for (const name of readdirSync(folder))
      if (name.endsWith(".tmp")) rmSync(join(folder, name), { recursive: true, force: true });
  } catch {
    // A folder that is gone or fails: the journal knows, and goes on without it.
  }
}

/** "never": it never stood on a journal; "nothing": it cannot be read. */
function positionOf(path: string, name: string): Position | "never" | "nothing" {
  let database: Sqlite.Database | undefined;
  try {
    database = new Sqlite(path, { readonly: true });
    return positionIn(database, name) ?? "never";
  } catch {
    return "nothing";
  } finally {
    database?.close();
  }
}

function bytesOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function journalMetrics(metrics: Metrics, journal: Journal): void {
  const registers = [metrics];
  new Gauge({
    name: "cairn_journal_epoch",
    help: "The journal's epoch: one more with each start.",
    registers,
    collect() {
      this.set(journal.epoch);
    },
  });
  new Gauge({
    name: "cairn_journal_record_number",
    help: "The last record that is durable in two folders.",
    registers,
    collect() {
      this.set(journal.durableNumber);
    },
  });
  new Gauge({
    name: "cairn_journal_folder_level",
    help: "1 when the folder holds all that is durable and counts, 0 when it is behind.",
    labelNames: ["folder"],
    registers,
    collect() {
      for (const { folder, level } of journal.status()) this.set({ folder }, level ? 1 : 0);
    },
  });
  new Counter({
    name: "cairn_journal_syncs_total",
    help: "Synced writes to the folder's log since it was last opened.",
    labelNames: ["folder"],
    registers,
    collect() {
      this.reset();
      for (const { folder, syncs } of journal.status()) this.inc({ folder }, syncs);
    },
  });
}
