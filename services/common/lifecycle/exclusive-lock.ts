import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import Sqlite from "better-sqlite3";

/** A lock that another holds, this process included. */
export class LockHeldError extends Error {
  readonly path: string;
  /** Who says to hold it; for people. */
  readonly holderPid: number | undefined;

  constructor(path: string, holderPid: number | undefined) {
    super(`${path} is held${holderPid === undefined ? "" : ` by pid ${holderPid}`}`);
    this.path = path;
    this.holderPid = holderPid;
  }
}

export type ExclusiveLock = { release(): void };

/**
 * Takes a lock that the kernel frees when the process ends, however it ends: SQLite's exclusive lock on a database of
 * nothing. The pid beside it only names the holder to people: a pid file alone deceives in containers, where pids
 * repeat. Throws LockHeldError, or what SQLite throws when the file cannot be used.
 */
export function takeExclusiveLock(path: string): ExclusiveLock {
  let database: Sqlite.Database;
  try {
    database = lockedDatabase(path);
  } catch (error) {
    if (!/^SQLITE_(NOTADB|CORRUPT)/.test(codeOf(error))) throw error;
    // Damaged, and there for its lock alone: emptied. A holder would have been met before its content was looked at.
    truncateSync(path, 0);
    rmSync(`${path}-journal`, { force: true });
    database = lockedDatabase(path);
  }
  try {
    writeFileSync(pidPathOf(path), `${process.pid}\n`, { mode: 0o600 });
  } catch {
    // On a full disk the lock holds all the same; only its message is poorer.
  }
  // Once closed, closing again does nothing.
  return { release: () => database.close() };
}

function lockedDatabase(path: string): Sqlite.Database {
  const database = new Sqlite(path, { timeout: 0 });
  try {
    database.pragma("locking_mode = EXCLUSIVE");
    // In this locking mode the lock outlives the transaction, until the file is closed.
    database.exec("BEGIN EXCLUSIVE; COMMIT");
    return database;
  } catch (error) {
    database.close();
    if (!/^SQLITE_(BUSY|LOCKED)/.test(codeOf(error))) throw error;
    throw new LockHeldError(path, readPid(pidPathOf(path)));
  }
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown }).code ?? "");
}

function pidPathOf(path: string): string {
  return `${path}.pid`;
}

function readPid(path: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(path, "utf8"), 10);
    return Number.isSafeInteger(pid) ? pid : undefined;
  } catch {
    return undefined;
  }
}
