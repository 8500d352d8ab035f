import { join } from "node:path";
import { type ExclusiveLock, LockHeldError, takeExclusiveLock } from "./exclusive-lock";

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

/** Takes a folder for this process alone. Throws FolderHeldError; what SQLite throws when its disk refuses. */
export function lockFolder(folder: string): ExclusiveLock {
  try {
    return takeExclusiveLock(join(folder, "lock.db"));
  } catch (error) {
    if (error instanceof LockHeldError) throw new FolderHeldError(folder, error.holderPid);
    throw error;
  }
}
