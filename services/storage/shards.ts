import { isUuid } from "../common/ids/uuid";
import type { Logger } from "../common/log/logger";
import { checkBlobId } from "./blob-id";
import type { DirectorySyncs } from "./directory-syncs";
import { codeOf, type Disk } from "./disk";

/** The digits of a blob id that name its folder: 17.5 minutes of UUIDv7's time, so that ids in order lie together. */
const shardDigits = 7;
const temporarySuffix = ".tmp";

/**
 * The folders of blob files, and what is known of them without asking the disk. They are the index: a blob is found
 * by its name, a listing is one folder after the other, and memory holds a number a folder, never a blob's name.
 *
 * Blobs of the same minutes share a folder, so writes at the same moment share its sync.
 */
export class Shards {
  readonly #disk: Disk;
  readonly #root: string;
  readonly #syncs: DirectorySyncs;
  readonly #counts = new Map<string, number>();
  readonly #making = new Map<string, Promise<void>>();
  #sorted: string[] | undefined;
  #listed: { shard: string; changes: number; names: string[] } | undefined;
  #changes = 0;
  #blobs = 0;
  #nextTemporary = 0;

  constructor(disk: Disk, root: string, syncs: DirectorySyncs) {
    this.#disk = disk;
    this.#root = root;
    this.#syncs = syncs;
  }

  get blobs(): number {
    return this.#blobs;
  }

  folderOf(blobId: string): string {
    return `${this.#root}/${blobId.slice(0, shardDigits)}`;
  }

  /** INVALID_ARGUMENT for what is no id. */
  pathOf(blobId: string): string {
    return `${this.folderOf(checkBlobId(blobId))}/${blobId}`;
  }

  /** A name that no other write has. It lies in the blob's folder, as a rename between folders locks them all. */
  temporaryPathOf(blobId: string): string {
    this.#nextTemporary += 1;
    return `${this.pathOf(blobId)}.${this.#nextTemporary}${temporarySuffix}`;
  }

  /** Counts what is there, removes what broken writes left, and syncs names that a killed process may have left unsynced (P8). */
  async load(options: {
    readonly readOnly: boolean;
    readonly log: Logger;
    readonly atOnce: number;
  }): Promise<void> {
    const shards = (await this.#disk.list(this.#root)).filter((name) => name.length === shardDigits);
    const worker = async () => {
      for (let shard = shards.pop(); shard !== undefined; shard = shards.pop())
        await this.#loadOne(shard, options);
    };
    await Promise.all(Array.from({ length: options.atOnce }, worker));
  }

  /** Makes the blob's folder if it is not there, durably. */
  async ensureFolder(blobId: string): Promise<void> {
    const shard = blobId.slice(0, shardDigits);
    if (this.#counts.has(shard)) return;
    let making = this.#making.get(shard);
    if (making === undefined) {
      making = this.#make(shard).finally(() => this.#making.delete(shard));
      this.#making.set(shard, making);
    }
    await making;
  }

  hasFolder(blobId: string): boolean {
    return this.#counts.has(blobId.slice(0, shardDigits));
  }

  added(blobId: string): void {
    this.#count(blobId, 1);
  }

  removed(blobId: string): void {
    this.#count(blobId, -1);
  }

  /** Ids greater than `after`, in order, at most `limit`. */
  async idsAfter(after: string, limit: number): Promise<string[]> {
    this.#sorted ??= [...this.#counts.keys()].sort();
    const ids: string[] = [];
    const first = after.slice(0, shardDigits);
    for (const shard of this.#sorted) {
      if (shard < first || this.#counts.get(shard) === 0) continue;
      const names = await this.#namesOf(shard);
      for (let index = firstAfter(names, after); index < names.length && ids.length < limit; index++)
        ids.push(names[index] as string);
      if (ids.length === limit) break;
    }
    return ids;
  }

  async #loadOne(
    shard: string,
    options: { readonly readOnly: boolean; readonly log: Logger },
  ): Promise<void> {
    const folder = `${this.#root}/${shard}`;
    const names = await this.#disk.list(folder);
    let blobs = 0;
    for (const name of names) {
      if (isUuid(name)) blobs += 1;
      else if (!name.endsWith(temporarySuffix))
        options.log.warn({ folder, name }, "a file that is no blob is left alone");
      else if (!options.readOnly) await this.#disk.unlink(`${folder}/${name}`);
    }
    if (!options.readOnly) {
      if (names.every((name) => name.endsWith(temporarySuffix))) return this.#disk.rmdir(folder);
      await this.#disk.syncDirectory(folder);
    }
    this.#counts.set(shard, blobs);
    this.#blobs += blobs;
  }

  async #make(shard: string): Promise<void> {
    try {
      await this.#disk.mkdir(`${this.#root}/${shard}`);
    } catch (error) {
      // A former try made it and could not sync it.
      if (codeOf(error) !== "EEXIST") throw error;
    }
    await this.#syncs.sync(this.#root);
    this.#counts.set(shard, 0);
    this.#sorted = undefined;
  }

  #count(blobId: string, change: number): void {
    const shard = blobId.slice(0, shardDigits);
    this.#counts.set(shard, (this.#counts.get(shard) ?? 0) + change);
    this.#blobs += change;
    this.#changes += 1;
  }

  async #namesOf(shard: string): Promise<string[]> {
    // Pages of one listing ask for the same folder again and again.
    const cached = this.#listed;
    if (cached?.shard === shard && cached.changes === this.#changes) return cached.names;
    const changes = this.#changes;
    const names = (await this.#disk.list(`${this.#root}/${shard}`)).filter(isUuid).sort();
    this.#listed = { shard, changes, names };
    return names;
  }
}

/** The first place in a sorted list that is greater than `after`. */
function firstAfter(sorted: readonly string[], after: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as string) <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
