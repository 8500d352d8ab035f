import { codeOf, type Disk } from "./disk";

/**
 * Replaces a small file of a folder as a whole: temporary file, synced write, rename, directory sync. Durable when it
 * resolves; not to be run twice at once for one name.
 */
export async function replaceFile(disk: Disk, folder: string, name: string, text: string): Promise<void> {
  const temporary = `${folder}/${name}.tmp`;
  if ((await disk.stat(temporary)) !== undefined) await disk.unlink(temporary);
  const fd = await disk.create(temporary, { synced: true });
  try {
    await disk.write(fd, [Buffer.from(text)], 0);
  } finally {
    await disk.close(fd);
  }
  await disk.rename(temporary, `${folder}/${name}`);
  await disk.syncDirectory(folder);
}

/** Undefined when there is no such file. */
export async function readText(disk: Disk, path: string): Promise<string | undefined> {
  let fd: number;
  try {
    fd = await disk.open(path, "cache");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const bytes = Buffer.alloc(await disk.sizeOf(fd));
    return bytes.toString("utf8", 0, await disk.read(fd, bytes, 0));
  } finally {
    await disk.close(fd);
  }
}
