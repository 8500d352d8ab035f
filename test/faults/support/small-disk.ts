import { execFileSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

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
  const place = mkdtempSync(join(tmpdir(), "cairn-small-"));
  const [image, folder] = [join(place, "image"), join(place, "mount")];
  const filler = join(folder, "filler");
  const close = () => {
    try {
      run("umount", "-l", folder);
    } catch {
      // It was not mounted any more.
    }
    rmSync(place, { recursive: true, force: true });
  };
  try {
    writeFileSync(image, "");
    truncateSync(image, sizeMiB * 1024 * 1024);
    mkdirSync(folder);
    run("mkfs.ext4", "-q", "-m", "0", image);
    run("mount", "-o", "loop", image, folder);
  } catch (error) {
    close();
    throw error;
  }
  // An end of the test process in the middle must not leave the mount behind.
  process.once("exit", close);
  return {
    folder,
    fill: () => fillWith(filler),
    free: () => rmSync(filler, { force: true }),
    close: () => {
      process.removeListener("exit", close);
      close();
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

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: ["ignore", "ignore", "pipe"] });
}
