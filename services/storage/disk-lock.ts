import { LockHeldError, takeExclusiveLock } from "../common/lifecycle/exclusive-lock";
import { DiskError, type DiskLock } from "./disk";

/** `Disk.lock` on the real file system. */
export async function takeLock(path: string): Promise<DiskLock> {
  try {
    return takeExclusiveLock(path);
  } catch (error) {
    if (error instanceof LockHeldError) throw new DiskError("ELOCKED", error.message, error.holderPid);
    throw asDiskError(error, path);
  }
}

function asDiskError(error: unknown, path: string): DiskError {
  const code = String((error as { code?: unknown }).code ?? "");
  const errno = code.startsWith("SQLITE_READONLY") || code.startsWith("SQLITE_CANTOPEN") ? "EACCES" : "EIO";
  return new DiskError(errno, `${path}: ${(error as Error).message}`);
}
