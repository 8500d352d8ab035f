import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { CairnError } from "../errors/cairn-error";

/**
 * Makes SQLite's commits durable from outside, so that no sync blocks the thread that serves requests. In WAL mode
 * with synchronous=NORMAL a commit appends to the log without a sync, while checkpoints sync log and database as they
 * must (https://sqlite.org/wal.html, "performance considerations"): a commit is durable once the log is synced after
 * it. Commits that wait together share one sync. After a sync that failed nothing more is promised: the page cache
 * may claim success from then on.
 */
export class WalSync {
  readonly #sync: () => Promise<void>;
  /** Commits that are not durable yet, settled without an error when they are or never will be. */
  readonly #open = new Set<Promise<void>>();
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #failure: CairnError | undefined;

  constructor(sync: () => Promise<void>) {
    this.#sync = sync;
  }

  /** Commits by `commit` and resolves when that is durable. Throws what it throws; DATABASE_UNAVAILABLE after a failed sync. */
  commit(commit: () => Promise<unknown>): Promise<void> {
    const durable = this.#commit(commit);
    const settled = durable.then(
      () => {},
      () => {},
    );
    this.#open.add(settled);
    void settled.then(() => this.#open.delete(settled));
    return durable;
  }

  /** What a reader waits for before it tells what it saw (I11): undefined when all that it can have seen is durable. */
  settled(): Promise<void> | undefined {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#open.size === 0) return undefined;
    return Promise.all(this.#open).then(() => this.throwIfFailed());
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #commit(commit: () => Promise<unknown>): Promise<void> {
    await commit();
    await this.#syncFromNow();
  }

  /** A sync that is running may have begun before the commit: the one after it counts, for all who wait. */
  #syncFromNow(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running.then(
      () => this.#start(),
      () => this.#start(),
    );
    return this.#next;
  }

  #start(): Promise<void> {
    this.#next = undefined;
    this.#running = this.#syncOnce().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #syncOnce(): Promise<void> {
    this.throwIfFailed();
    try {
      await this.#sync();
    } catch (error) {
      this.#failure ??= new CairnError("DATABASE_UNAVAILABLE", {
        message: "A sync of SQLite's log failed: nothing is certain until the process is started again.",
        cause: error,
      });
      throw this.#failure;
    }
  }
}

/** Syncs the log of a database file, and the name of the log the first time. */
export function walSyncOf(databasePath: string): WalSync & { close(): Promise<void> } {
  let log: Awaited<ReturnType<typeof open>> | undefined;
  const sync = new WalSync(async () => {
    if (log === undefined) {
      log = await open(`${databasePath}-wal`, "r");
      const folder = await open(dirname(databasePath), "r");
      await folder.sync().finally(() => folder.close());
    }
    await log.datasync();
  });
  return Object.assign(sync, { close: async () => log?.close() });
}
