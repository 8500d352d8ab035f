import { CairnError } from "../common/errors/cairn-error";
import type { EndSignal } from "../common/lifecycle/end-signal";
import type { Logger } from "../common/log/logger";
import { endReason } from "../common/rpc/call";
import type { Clock } from "../common/time/clock";
import { AlignedBuffers } from "./aligned-buffers";
import { DamagedFile, sizeOfFile } from "./blob-format";
import { DirectorySyncs } from "./directory-syncs";
import { codeOf, type Disk } from "./disk";
import type {
  BlobReading,
  BlobSummary,
  BlobWriter,
  ByteRange,
  Cancellation,
  Engine,
  StoredBlob,
} from "./engine";
import { firstReadBytes, readRange, readSmallOrLayout, resolveRange } from "./file-blob-reader";
import { verifyFile, windowBytes } from "./file-blob-verifier";
import { TemporaryFile, writeAtOnce, writeBytes } from "./file-blob-writer";
import { KeyedTurns } from "./keyed-turns";
import { OpenFiles } from "./open-files";
import { ScratchBuffers } from "./scratch-buffers";
import { Shards } from "./shards";

export type FileEngineOptions = {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  /** The folder of the engine's own, made if it is not there. */
  readonly root: string;
  /** A fenced volume's: nothing is tidied. */
  readonly readOnly: boolean;
  /** How many calls to the disk a walk makes at once. */
  readonly atOnce: number;
  /** Files kept open for reading. */
  readonly openFiles: number;
  /** 16 random bytes, new for each file (P8). */
  readonly newFileId: () => Uint8Array;
};

/** Aligned memory of a volume for writes: 8 MiB. As many are of use as calls to its disk, and some that are being filled. */
const writeBuffers = 8;

/** An engine that keeps each blob in a file of its own (docs/storage-format.md). */
export async function openFileEngine(options: FileEngineOptions): Promise<FileEngine> {
  const { disk, root } = options;
  if ((await disk.stat(root)) === undefined && !options.readOnly) {
    await disk.mkdir(root);
    await disk.syncDirectory(root.slice(0, root.lastIndexOf("/")));
  }
  const syncs = new DirectorySyncs(disk);
  const shards = new Shards(disk, root, syncs);
  await shards.load(options);
  return new FileEngine(options, shards, syncs);
}

export class FileEngine implements Engine {
  readonly #options: FileEngineOptions;
  readonly #disk: Disk;
  readonly #shards: Shards;
  readonly #syncs: DirectorySyncs;
  readonly #turns = new KeyedTurns();
  readonly #open: OpenFiles;
  readonly #scratch = new ScratchBuffers(() => Buffer.allocUnsafeSlow(firstReadBytes), 16);
  readonly #windows: ScratchBuffers<Uint8Array>;
  readonly #buffers: AlignedBuffers;

  constructor(options: FileEngineOptions, shards: Shards, syncs: DirectorySyncs) {
    this.#options = options;
    this.#disk = options.disk;
    this.#shards = shards;
    this.#syncs = syncs;
    // Aligned memory is dear: it reserves gigabytes of addresses until it is collected.
    this.#windows = new ScratchBuffers(() => options.disk.alignedMemory(windowBytes), 2);
    this.#buffers = new AlignedBuffers(options.disk.alignedMemory, writeBuffers, writeBytes);
    this.#open = new OpenFiles(options.disk, options.openFiles);
  }

  get blobs(): number {
    return this.#shards.blobs;
  }

  begin(blobId: string): BlobWriter {
    const file = new TemporaryFile({
      disk: this.#disk,
      path: this.#shards.temporaryPathOf(blobId),
      blobId,
      fileId: this.#options.newFileId(),
      ensureFolder: () => this.#shards.ensureFolder(blobId),
      buffers: this.#buffers,
    });
    return {
      append: (chunk) => file.append(chunk),
      finish: async (summary) => {
        try {
          await this.#turns.run(blobId, () => this.#publish(blobId, file, summary));
        } catch (error) {
          await file.remove();
          throw error;
        }
      },
      abort: () => file.remove(),
    };
  }

  write(blobId: string, content: Uint8Array, summary: BlobSummary): Promise<void> {
    return writeAtOnce(this.begin(blobId), content, summary);
  }

  async read(blobId: string, range: ByteRange, call: Cancellation): Promise<BlobReading> {
    const { signal } = call;
    const { file, release } = await this.#acquire(blobId);
    // A reader that vanishes without a word is told by the signal (I8).
    signal.addEventListener("abort", release, { once: true });
    const end = () => {
      signal.removeEventListener("abort", release);
      release();
    };
    try {
      const found = await readSmallOrLayout(this.#disk, file, this.#scratch);
      const { sizeBytes } = found.footer;
      const resolved = resolveRange(range, sizeBytes);
      const to = resolved.offsetBytes + resolved.lengthBytes;
      if ("content" in found) {
        end();
        return {
          sizeBytes,
          chunks: to > resolved.offsetBytes ? [found.content.subarray(resolved.offsetBytes, to)] : [],
        };
      }
      const pieces = readRange(this.#disk, file.fd, found, resolved);
      return { sizeBytes, chunks: guarded(pieces, blobId, signal, end) };
    } catch (error) {
      end();
      throw asDamage(error, blobId);
    }
  }

  /** False when it is certain that the blob is not there, with no call to the disk. */
  mayHave(blobId: string): boolean {
    return this.#shards.hasFolder(blobId);
  }

  async has(blobId: string): Promise<boolean> {
    if (!this.mayHave(blobId)) return false;
    return (await this.#disk.stat(this.#shards.pathOf(blobId))) !== undefined;
  }

  async list(afterBlobId: string, limit: number): Promise<{ blobs: StoredBlob[]; more: boolean }> {
    // One more than asked for tells whether there is more.
    const ids = await this.#shards.idsAfter(afterBlobId, limit + 1);
    const more = ids.length > limit;
    if (more) ids.pop();
    const found: (StoredBlob | undefined)[] = new Array(ids.length);
    let next = 0;
    const worker = async () => {
      for (let index = next++; index < ids.length; index = next++)
        found[index] = await this.#describe(ids[index] as string);
    };
    await Promise.all(Array.from({ length: this.#options.atOnce }, worker));
    return { blobs: found.filter((blob) => blob !== undefined), more };
  }

  async verify(
    blobId: string,
    { signal }: Cancellation,
    pace?: (bytes: number) => Promise<void>,
  ): Promise<BlobSummary> {
    try {
      return await verifyFile(this.#disk, this.#shards.pathOf(blobId), blobId, this.#windows, signal, pace);
    } catch (error) {
      throw asDamage(asMissing(error, blobId), blobId);
    }
  }

  async delete(blobIds: readonly string[]): Promise<void> {
    const folders = new Set<string>();
    const remaining = [...blobIds];
    const worker = async () => {
      for (let id = remaining.pop(); id !== undefined; id = remaining.pop()) {
        const blobId = id;
        // A former delete may have been cut off before its sync, so what is gone already is synced too.
        if (this.#shards.hasFolder(blobId)) folders.add(this.#shards.folderOf(blobId));
        else continue;
        await this.#turns.run(blobId, () => this.#unlink(blobId));
      }
    };
    await Promise.all(Array.from({ length: this.#options.atOnce }, worker));
    await Promise.all([...folders].map((folder) => this.#syncs.sync(folder)));
  }

  async close(): Promise<void> {
    this.#open.close();
  }

  /** Gives the finished file the blob's name, unless the blob is there. */
  async #publish(blobId: string, file: TemporaryFile, summary: BlobSummary): Promise<void> {
    const path = this.#shards.pathOf(blobId);
    // Nobody else can publish this blob meanwhile: it is this write's turn.
    const [existing] = await Promise.all([this.has(blobId), settled(file.complete(summary))]).then(
      ([there, outcome]) => {
        if ("error" in outcome) throw outcome.error;
        return [there];
      },
    );
    const replaces = existing && (await this.#isDamagedOrThrow(blobId, summary));
    if (existing && !replaces) {
      await file.remove();
    } else {
      await this.#disk.rename(file.path, path);
      file.renamed();
      if (existing) this.#open.drop(blobId);
      else this.#shards.added(blobId);
    }
    await this.#syncs.sync(this.#shards.folderOf(blobId));
  }

  /** False: the same replica, sound. True: damaged, to be replaced. BLOB_EXISTS: other content. */
  async #isDamagedOrThrow(blobId: string, summary: BlobSummary): Promise<boolean> {
    const there = await this.#summaryOf(blobId);
    if (there === undefined) return true;
    if (there.sizeBytes !== summary.sizeBytes || there.crc32c !== summary.crc32c)
      throw new CairnError("BLOB_EXISTS", { resource: blobId });
    try {
      await this.verify(blobId, new AbortController());
      return false;
    } catch (error) {
      if (error instanceof CairnError && error.reason === "DAMAGED_BLOB") return true;
      // What the medium cannot give back is written anew (P9).
      if (codeOf(error) === "EIO") return true;
      throw error;
    }
  }

  /** What the replica's footer says; undefined when that cannot be read. */
  async #summaryOf(blobId: string): Promise<BlobSummary | undefined> {
    const { file, release } = await this.#acquire(blobId);
    try {
      return (await readSmallOrLayout(this.#disk, file, this.#scratch)).footer;
    } catch (error) {
      if (error instanceof DamagedFile || codeOf(error) === "EIO") return undefined;
      throw error;
    } finally {
      release();
    }
  }

  async #unlink(blobId: string): Promise<void> {
    this.#open.drop(blobId);
    try {
      await this.#disk.unlink(this.#shards.pathOf(blobId));
      this.#shards.removed(blobId);
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
    }
    // A reader may have opened it while it was being removed.
    this.#open.drop(blobId);
  }

  async #describe(blobId: string): Promise<StoredBlob | undefined> {
    const stat = await this.#disk.stat(this.#shards.pathOf(blobId));
    if (stat === undefined) return undefined;
    const ageMs = Math.max(0, Math.floor(this.#options.clock.nowMs() - stat.modifiedAtMs));
    // A file of an impossible length is damaged, which the scrubber finds.
    return { blobId, sizeBytes: sizeOfFile(stat.sizeBytes) ?? 0, ageMs };
  }

  async #acquire(blobId: string) {
    try {
      return await this.#open.acquire(blobId, this.#shards.pathOf(blobId));
    } catch (error) {
      throw asMissing(error, blobId);
    }
  }
}

/** Stops at the signal, releases at the end however it comes, and calls damage by its name. */
async function* guarded(
  pieces: AsyncGenerator<Uint8Array, void, undefined>,
  blobId: string,
  signal: EndSignal,
  end: () => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const piece of pieces) {
      if (signal.aborted) throw endReason(signal);
      yield piece;
      if (signal.aborted) throw endReason(signal);
    }
  } catch (error) {
    // What a call returns after its reader has gone says nothing of the blob.
    throw signal.aborted ? signal.reason : asDamage(error, blobId);
  } finally {
    end();
  }
}

function settled(work: Promise<void>): Promise<{ error: unknown } | { done: true }> {
  return work.then(
    () => ({ done: true }) as const,
    (error: unknown) => ({ error }),
  );
}

function asDamage(error: unknown, blobId: string): unknown {
  if (!(error instanceof DamagedFile)) return error;
  return new CairnError("DAMAGED_BLOB", {
    message: `Blob ${blobId}: ${error.message}.`,
    resource: blobId,
    cause: error,
  });
}

function asMissing(error: unknown, blobId: string): unknown {
  return codeOf(error) === "ENOENT" ? new CairnError("NO_SUCH_BLOB", { resource: blobId }) : error;
}
