import { crc32c } from "@node-rs/crc32";
import { type Disk, DiskError, isUnreadable } from "./disk";

const windowBytes = 1024 * 1024;
/** An unreadable place costs so much around it, not a whole window. */
const pieceBytes = 4_096;

/** Memory of a copy, used again for the next. */
export type CopyMemory = { readonly window: Uint8Array };

export function copyMemory(disk: Disk): CopyMemory {
  return { window: disk.alignedMemory(windowBytes) };
}

/**
 * Copies a file under a temporary name, synced, reads the copy back from the medium, and gives it its name when it is what
 * was read. What the source's medium cannot give back (EIO) is zeros in the copy, counted: the checksums within tell whose
 * they are. Whoever calls syncs the folder.
 */
export async function copyFile(
  disk: Disk,
  from: string,
  to: string,
  memory: CopyMemory,
  onBytes: (bytes: number) => void,
): Promise<{ readonly unreadableBytes: number }> {
  const temporary = `${to}.tmp`;
  if ((await disk.stat(temporary)) !== undefined) await disk.unlink(temporary);
  const source = await disk.open(from, "cache");
  let unreadableBytes = 0;
  let readChecksum = 0;
  let lengthBytes = 0;
  try {
    const target = await disk.create(temporary, { synced: false });
    try {
      for (let count = windowBytes; count === windowBytes; ) {
        const read = await readTolerant(disk, source, memory.window, lengthBytes);
        count = read.count;
        unreadableBytes += read.unreadableBytes;
        const bytes = memory.window.subarray(0, count);
        readChecksum = crc32c(bytes, readChecksum);
        if (count > 0) await disk.write(target, [bytes], lengthBytes);
        lengthBytes += count;
        onBytes(count);
      }
      await disk.datasync(target);
    } finally {
      await disk.close(target);
    }
  } finally {
    await disk.close(source);
  }
  if ((await checksumOf(disk, temporary, memory)) !== readChecksum)
    throw new DiskError("EIO", `${temporary} reads back otherwise than it was written`);
  await disk.rename(temporary, to);
  return { unreadableBytes };
}

async function checksumOf(disk: Disk, path: string, { window }: CopyMemory): Promise<number> {
  const fd = await disk.open(path, "medium");
  try {
    let checksum = 0;
    for (let position = 0, count = windowBytes; count === windowBytes; position += count) {
      count = await disk.read(fd, window, position);
      checksum = crc32c(window.subarray(0, count), checksum);
    }
    return checksum;
  } finally {
    await disk.close(fd);
  }
}

async function readTolerant(disk: Disk, fd: number, window: Uint8Array, positionBytes: number) {
  try {
    return { count: await disk.read(fd, window, positionBytes), unreadableBytes: 0 };
  } catch (error) {
    if (!isUnreadable(error)) throw error;
  }
  const sizeBytes = Math.min(windowBytes, (await disk.sizeOf(fd)) - positionBytes);
  let unreadableBytes = 0;
  for (let at = 0; at < sizeBytes; at += pieceBytes) {
    const piece = window.subarray(at, Math.min(at + pieceBytes, sizeBytes));
    try {
      await disk.read(fd, piece, positionBytes + at);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      piece.fill(0);
      unreadableBytes += piece.length;
    }
  }
  return { count: sizeBytes, unreadableBytes };
}
