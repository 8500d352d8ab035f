import type { Disk } from "./disk";

/**
 * Shares the syncs of folders: whoever asks while one is running waits for the next one, which then serves all that
 * have asked until it begins. No timer: alone, a caller waits for its own sync only.
 */
export class DirectorySyncs {
  readonly #disk: Pick<Disk, "syncDirectory">;
  readonly #folders = new Map<string, { running: Promise<void>; next: Promise<void> | undefined }>();

  constructor(disk: Pick<Disk, "syncDirectory">) {
    this.#disk = disk;
  }

  /** Resolves when a sync that began after this call has ended. */
  sync(path: string): Promise<void> {
    const folder = this.#folders.get(path);
    if (folder === undefined) return this.#begin(path);
    folder.next ??= folder.running.then(
      () => this.#begin(path),
      () => this.#begin(path),
    );
    return folder.next;
  }

  #begin(path: string): Promise<void> {
    const running = this.#disk.syncDirectory(path);
    const folder = { running, next: undefined as Promise<void> | undefined };
    this.#folders.set(path, folder);
    const end = () => {
      if (this.#folders.get(path) === folder && folder.next === undefined) this.#folders.delete(path);
    };
    running.then(end, end);
    return running;
  }
}
