import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { makeLoopImage } from "./loop-image";

/** A small file system of its own, which can be filled to its last byte. */
export type SmallDisk = {
  /** Where it is mounted. */
  readonly folder: string;
  /** Fills all that is left with a file of nobody's. */
  fill(): void;
  /** Takes that file away. */
  free(): void;
  close(): void;
};

/** Why none can be made here; undefined when it can. */
export function whyNoSmallDisk(): string | undefined {
  if (process.getuid?.() !== 0) return "mounting needs root";
  try {
    openSmallDisk(16).close();
    return undefined;
  } catch (error) {
    return `a small ext4 cannot be mounted: ${String(error).split("\n")[0]}`;
  }
}

/** ext4 on an image file, with no blocks kept for root. */
export function openSmallDisk(sizeMiB: number): SmallDisk {
  const mkfs = ["mkfs.ext4", "-q", "-m", "0"] as const;
  const { folder, remove } = makeLoopImage("cairn-small-", sizeMiB * 1024 * 1024, mkfs);
  const filler = join(folder, "filler");
  // An end of the test process in the middle must not leave the mount behind.
  process.once("exit", remove);
  return {
    folder,
    fill: () => fillWith(filler),
    free: () => rmSync(filler, { force: true }),
    close: () => {
      process.removeListener("exit", remove);
      remove();
    },
  };
}

function fillWith(path: string): void {
  const fd = openSync(path, "a");
  try {
    for (let bytes = 1024 * 1024; bytes >= 1; ) {
      try {
        writeSync(fd, Buffer.alloc(bytes));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
        bytes = bytes > 4_096 ? 4_096 : Math.floor(bytes / 4_096);
      }
    }
  } finally {
    closeSync(fd);
  }
}
