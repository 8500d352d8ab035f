import { CairnError } from "../common/errors/cairn-error";
import type { Clock } from "../common/time/clock";
import { codeOf, DiskError, isFatalToWrites, isUnreadable } from "./disk";

/** A folder that a node of several disks (P9), or an embedded store (I10), goes on without. */
export type LostFolder = { readonly folder: string; readonly why: string };

/** True when the disk failed or hangs, and nobody's configuration is wrong. */
export function isDiskFailure(error: unknown): boolean {
  if (error instanceof CairnError)
    return error.reason === "VOLUME_SUSPENDED" || error.reason === "VOLUME_FENCED";
  const code = codeOf(error);
  if (code === "" && error instanceof Error && error.cause !== undefined) return isDiskFailure(error.cause);
  return isFatalToWrites(error) || isUnreadable(error) || code === "ETIMEDOUT";
}

/**
 * True when a folder cannot be used and nothing in it is wrong: its disk failed or hangs, is not mounted, or is not
 * ours to write to. Who has other folders goes on without it.
 */
export function isLostFolder(error: unknown): boolean {
  if (isDiskFailure(error)) return true;
  const code = codeOf(error);
  if (code === "" && error instanceof Error && error.cause !== undefined) return isLostFolder(error.cause);
  return ["EACCES", "EPERM", "ENOTDIR"].includes(code);
}

/** Rejects with ETIMEDOUT when `work` takes longer; what it gives too late goes to `tooLate`. */
export async function within<T>(
  clock: Clock,
  limitMs: number,
  work: Promise<T>,
  tooLate: (value: T) => void,
): Promise<T> {
  const over = new AbortController();
  let isLate = false;
  work.then(
    (value) => isLate && tooLate(value),
    () => {},
  );
  const late = clock.sleep(limitMs, over.signal).then(() => {
    if (over.signal.aborted) return work;
    isLate = true;
    throw new DiskError("ETIMEDOUT", `the disk has not answered for ${limitMs} ms`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    over.abort();
  }
}
