import { makeFolder } from "./claim-folder";
import { copyFile, copyMemory } from "./copy-file";
import { type Disk, DiskError } from "./disk";

/** Copies a file, or a folder with all in it, durably, each file read back. Throws EIO when something cannot be read. */
export async function copyTree(disk: Disk, from: string, to: string): Promise<void> {
  const memory = copyMemory(disk);
  const copy = async (source: string, target: string): Promise<void> => {
    if ((await disk.stat(source))?.isDirectory) {
      await makeFolder(disk, target);
      for (const name of await disk.list(source)) await copy(`${source}/${name}`, `${target}/${name}`);
      return disk.syncDirectory(target);
    }
    const { unreadableBytes } = await copyFile(disk, source, target, memory, () => {});
    if (unreadableBytes > 0)
      throw new DiskError("EIO", `${unreadableBytes} bytes of ${source} cannot be read`);
  };
  await copy(from, to);
  await disk.syncDirectory(to.slice(0, to.lastIndexOf("/")) || "/");
}
