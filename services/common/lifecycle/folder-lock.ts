import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";

/** The folder belongs to another process that is alive. */
export class FolderHeldError extends Error {
  constructor(
    readonly folder: string,
    readonly holderPid: number | undefined,
  ) {
    super(
      `${folder} is in use by another Cairn${holderPid === undefined ? "" : ` (pid ${holderPid})`}. ` +
        "Stop that one first, or give this one another folder.",
    );
  }
}

export type FolderLock = { release(): void };

/**
 * Takes a folder for this process alone. SQLite's exclusive lock on `lock.db` is freed by the kernel at death; the
 * pid beside it only names the holder to people, as a pid file alone deceives in containers, where pids repeat.
 * Throws FolderHeldError; file system errors as they come.
 */
export function lockFolder(folder: string): FolderLock {
  const holderPath = join(folder, "lock.pid");
  const database = new Sqlite(join(folder, "lock.db"), { timeout: 0 });
  try {
    database.pragma("locking_mode = EXCLUSIVE");
    // In this locking mode the lock outlives the transaction, until the file is closed.
    database.exec("BEGIN EXCLUSIVE; COMMIT");
  } catch (error) {
    database.close();
    const code = (error as { code?: unknown }).code;
    if (code === "SQLITE_BUSY" || code === "SQLITE_LOCKED")
      throw new FolderHeldError(folder, readPid(holderPath));
    throw error;
  }
  writeFileSync(holderPath, `${process.pid}\n`, { mode: 0o600 });
  return { release: () => database.close() };
}

function readPid(path: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(path, "utf8"), 10);
    return Number.isSafeInteger(pid) ? pid : undefined;
  } catch {
    return undefined;
  }
}
