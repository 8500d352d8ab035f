import { readFileSync, writeFileSync } from "node:fs";
import Sqlite from "better-sqlite3";
import { DiskError, type DiskLock } from "./disk";

/**
 * Takes a lock that the kernel frees when the process ends: SQLite's exclusive lock on a database of nothing. A pid
 * file alone deceives in containers, where pids repeat; here it only names the holder to people.
 */
export async function takeLock(path: string): Promise<DiskLock> {
  const holderPath = `${path}.pid`;
  const database = new Sqlite(path, { timeout: 0 });
  try {
    database.pragma("locking_mode = EXCLUSIVE");
    // In this locking mode the lock stays after the commit, until the database is closed.
    database.exec("BEGIN EXCLUSIVE; COMMIT");
  } catch (error) {
    database.close();
    const code = (error as { code?: unknown }).code;
    if (code !== "SQLITE_BUSY" && code !== "SQLITE_LOCKED") throw asDiskError(error, path);
    throw new DiskError("ELOCKED", `${path} is held`, readHolder(holderPath));
  }
  try {
    writeFileSync(holderPath, `${process.pid}\n`, { mode: 0o600 });
  } catch {
    // On a full disk the lock holds all the same; only its message is poorer.
  }
  let held = true;
  return {
    release: () => {
      if (!held) return;
      held = false;
      database.close();
    },
  };
}

function readHolder(path: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(path, "utf8"), 10);
    return Number.isSafeInteger(pid) ? pid : undefined;
  } catch {
    return undefined;
  }
}

function asDiskError(error: unknown, path: string): DiskError {
  const code = String((error as { code?: unknown }).code ?? "");
  const errno = code.startsWith("SQLITE_READONLY") || code.startsWith("SQLITE_CANTOPEN") ? "EACCES" : "EIO";
  return new DiskError(errno, `${path}: ${(error as Error).message}`);
}
