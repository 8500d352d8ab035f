import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file system of its own on an image file, mounted. `remove` unmounts it, whatever still has files there. */
export type LoopImage = {
  /** Where it is mounted. */
  readonly folder: string;
  mount(): void;
  unmount(): void;
  remove(): void;
};

/** `mkfs` with its flags makes the file system on the image. Leaves nothing behind when it throws. */
export function makeLoopImage(
  prefix: string,
  sizeBytes: number,
  mkfs: readonly [string, ...string[]],
): LoopImage {
  const place = mkdtempSync(join(tmpdir(), prefix));
  const [image, folder] = [join(place, "image"), join(place, "mount")];
  const mount = () => run("mount", "-o", "loop", image, folder);
  const remove = () => {
    try {
      run("umount", "-l", folder);
    } catch {
      // It was not mounted any more.
    }
    rmSync(place, { recursive: true, force: true });
  };
  try {
    writeFileSync(image, "");
    truncateSync(image, sizeBytes);
    mkdirSync(folder);
    run(...mkfs, image);
    mount();
  } catch (error) {
    remove();
    throw error;
  }
  return { folder, mount, unmount: () => run("umount", folder), remove };
}

export function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: ["ignore", "ignore", "pipe"] });
}
