/**
 * The file system as the journal needs it: a part of the storage node's `Disk`, so that the same real and simulated
 * ones serve. Calls reject with an Error that carries the errno's name in `code`. Nothing is durable but what a write
 * to a file created with `synced` covered, and names whose folder `syncDirectory` covered.
 */
export type JournalDisk = {
  open(path: string, from: "cache"): Promise<number>;
  /**
   * Makes a new file for writing. Direct: memory of `alignedMemory`, positions and lengths multiples of 4,096; past the
   * page cache where the file system can.
   */
  create(path: string, how: { readonly synced: boolean; readonly direct?: boolean }): Promise<number>;
  /** Never short. */
  write(fd: number, buffers: readonly Uint8Array[], positionBytes: number): Promise<void>;
  /** Short only at the end of the file. */
  read(fd: number, into: Uint8Array, positionBytes: number): Promise<number>;
  alignedMemory(lengthBytes: number): Uint8Array;
  sizeOf(fd: number): Promise<number>;
  close(fd: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  mkdir(path: string): Promise<void>;
  list(path: string): Promise<string[]>;
  stat(path: string): Promise<{ readonly sizeBytes: number } | undefined>;
  syncDirectory(path: string): Promise<void>;
};

/** Unit of direct I/O: what is durable is never written again, since no write begins inside a block. */
export const blockBytes = 4_096;

export function alignedUp(bytes: number): number {
  return Math.ceil(bytes / blockBytes) * blockBytes;
}

export function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}

/** Replaces a small file whole; durable when it resolves. */
export async function replaceFile(
  disk: JournalDisk,
  folder: string,
  name: string,
  bytes: Buffer,
): Promise<void> {
  const temporary = `${folder}/${name}.tmp`;
  if ((await disk.stat(temporary)) !== undefined) await disk.unlink(temporary);
  const fd = await disk.create(temporary, { synced: true });
  try {
    await disk.write(fd, [bytes], 0);
  } finally {
    await disk.close(fd);
  }
  await disk.rename(temporary, `${folder}/${name}`);
  await disk.syncDirectory(folder);
}

/** Undefined when there is no such file. */
export async function readWhole(disk: JournalDisk, path: string): Promise<Buffer | undefined> {
  if ((await disk.stat(path)) === undefined) return undefined;
  const fd = await disk.open(path, "cache");
  try {
    const bytes = Buffer.alloc(await disk.sizeOf(fd));
    return bytes.subarray(0, await disk.read(fd, bytes, 0));
  } finally {
    await disk.close(fd);
  }
}
