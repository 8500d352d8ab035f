import { CairnError } from "../common/errors/cairn-error";
import { startWorker, type Worker } from "../common/lifecycle/worker";
import type { Logger } from "../common/log/logger";
import type { Clock } from "../common/time/clock";
import { fileBytesOf } from "./blob-format";
import { codeOf, type Disk, isFatalToWrites, isOutOfSpace, isUnreadable } from "./disk";
import type { DiskGate } from "./disk-gate";
import type { BlobReading, BlobSummary, ByteRange, Cancellation, Engine, StoredBlob } from "./engine";
import { allowDelete, equal, follow, type HistoryPosition } from "./history";
import type { ScrubPosition, ScrubProgress } from "./scrub-position";
import { type ScrubLimits, type ScrubPart, scrubRange } from "./scrub-range";
import type { Reservation, SpaceLedger } from "./space-ledger";
import type { Standing, VolumeStanding } from "./standing";
import { volumeFileName } from "./volume-file";
import type { VolumeMemory } from "./volume-memory";
import { VolumeWrite } from "./volume-write";

export type VolumeStatus = {
  readonly volumeId: string;
  readonly folder: string;
  readonly standing: VolumeStanding;
  readonly capacityBytes: number;
  readonly freeBytes: number;
  readonly blobs: number;
  readonly history: HistoryPosition | undefined;
  readonly scrub: ScrubProgress;
};

export type VolumeParts = {
  readonly volumeId: string;
  readonly folder: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  readonly engine: Engine;
  readonly gate: DiskGate;
  readonly standing: Standing;
  readonly ledger: SpaceLedger;
  readonly memory: VolumeMemory;
  readonly scrubPosition: ScrubPosition;
  readonly suspendAfterMs: number;
  readonly damagesToFence: number;
  /** Blobs that the medium could not give back, those of former runs too. */
  readonly unreadableBlobs: readonly string[];
  readonly onUnreadable: (blobIds: readonly string[]) => void;
  readonly onDamage: () => void;
  readonly onStatus: (status: VolumeStatus) => void;
  /** Records that the volume is fenced. */
  readonly onFence: (detail: string) => void;
};

const spaceIntervalMs = 1_000;
const laggingMs = 1_000;

/** One folder of a node: its blobs, what it remembers, and whether it takes work (P9). */
export class Volume {
  readonly id: string;
  readonly folder: string;
  readonly #parts: VolumeParts;
  readonly #workers: Worker[];
  /** Blobs that the medium could not give back: at most as many as fence it. */
  readonly #unreadable: Set<string>;

  constructor(parts: VolumeParts) {
    this.#parts = parts;
    this.#unreadable = new Set(parts.unreadableBlobs);
    this.id = parts.volumeId;
    this.folder = parts.folder;
    const { clock, log, gate } = parts;
    this.#workers = [
      startWorker({
        name: "disk-watch",
        clock,
        log,
        idleMs: parts.suspendAfterMs / 4,
        step: async () => {
          gate.tick();
          return false;
        },
      }),
      startWorker({
        name: "disk-space",
        clock,
        log,
        idleMs: spaceIntervalMs,
        step: async () => {
          if (!parts.standing.isSuspended) await this.refreshSpace();
          return false;
        },
      }),
    ];
  }

  get status(): VolumeStatus {
    const { standing, ledger, engine, memory, scrubPosition } = this.#parts;
    return {
      volumeId: this.id,
      folder: this.folder,
      standing: standing.current,
      capacityBytes: ledger.capacityBytes,
      freeBytes: ledger.freeBytes,
      blobs: engine.blobs,
      history: memory.record.history,
      scrub: scrubPosition.progress,
    };
  }

  /** True while a call to the disk takes so long that new writes better go elsewhere, long before it is suspended. */
  get isLagging(): boolean {
    return this.#parts.gate.oldestCallMs > laggingMs;
  }

  /** Begins a write. VOLUME_FULL, VOLUME_FENCED, VOLUME_SUSPENDED before a byte is taken (I6). */
  async beginWrite(blobId: string, sizeBytes: number | undefined): Promise<VolumeWrite> {
    const { standing, ledger, engine } = this.#parts;
    standing.checkWrites();
    const reservation =
      VolumeWrite.reserve(ledger, sizeBytes) ?? (await this.#reserveAfterLooking(sizeBytes));
    return new VolumeWrite({
      volumeId: this.id,
      writer: engine.begin(blobId, sizeBytes),
      sizeBytes,
      reservation,
      standing,
      translate: (error) => this.#translateChange(error),
    });
  }

  /** Writes a replica whose content is at hand. Errors as of `beginWrite` and VolumeWrite. */
  async write(blobId: string, content: Uint8Array, crc32c: number): Promise<void> {
    const { engine, standing } = this.#parts;
    standing.checkWrites();
    const sizeBytes = content.length;
    const reservation =
      VolumeWrite.reserve(this.#parts.ledger, sizeBytes) ?? (await this.#reserveAfterLooking(sizeBytes));
    try {
      await engine.write(blobId, content, { sizeBytes, crc32c });
    } catch (error) {
      reservation.settle(0);
      throw await this.#translateChange(error);
    }
    reservation.settle(fileBytesOf(sizeBytes));
    // The disk has failed another write meanwhile: nothing of it is acknowledged any more (P9).
    if (standing.isFenced) throw standing.fencedError();
  }

  async read(blobId: string, range: ByteRange, call: Cancellation): Promise<BlobReading> {
    this.#parts.standing.checkReads();
    try {
      const { sizeBytes, chunks } = await this.#parts.engine.read(blobId, range, call);
      return { sizeBytes, chunks: "length" in chunks ? chunks : this.#translated(blobId, chunks) };
    } catch (error) {
      throw this.#translateRead(blobId, error);
    }
  }

  async verify(
    blobId: string,
    call: Cancellation,
    pace?: (bytes: number) => Promise<void>,
  ): Promise<BlobSummary> {
    this.#parts.standing.checkReads();
    try {
      return await this.#parts.engine.verify(blobId, call, pace);
    } catch (error) {
      throw this.#translateRead(blobId, error);
    }
  }

  async has(blobId: string): Promise<boolean> {
    return !this.#parts.standing.isSuspended && (await this.#parts.engine.has(blobId));
  }

  async list(after: string, limit: number): Promise<{ blobs: StoredBlob[]; more: boolean; total: number }> {
    const { engine, standing } = this.#parts;
    standing.checkReads();
    const page = await engine.list(after, limit);
    return { ...page, total: engine.blobs };
  }

  /** Remembers that a range is handled, and re-reads the next from the medium (P8). VOLUME_SUSPENDED. */
  async *scrub(
    handledThroughBlobId: string,
    limits: ScrubLimits,
    call: Cancellation,
  ): AsyncGenerator<ScrubPart, void, undefined> {
    const { clock, scrubPosition, standing } = this.#parts;
    standing.checkReads();
    await scrubPosition.handled(handledThroughBlobId, clock.nowMs());
    yield* scrubRange(this, scrubPosition, limits, clock, call);
  }

  /** Deletes when the history allows it (P7); what it remembers is durable before the first byte goes. */
  async delete(
    blobIds: readonly string[],
    confirmed: HistoryPosition,
    current: HistoryPosition,
  ): Promise<void> {
    const { engine, memory, standing } = this.#parts;
    standing.checkChanges();
    try {
      await memory.update((record) => {
        const history = allowDelete(record.history, confirmed, current);
        return record.history !== undefined && equal(history, record.history)
          ? record
          : { ...record, history };
      });
      await engine.delete(blobIds);
    } catch (error) {
      throw await this.#translateChange(error);
    }
  }

  async followHistory(position: HistoryPosition, accept: boolean): Promise<void> {
    const { memory, standing } = this.#parts;
    standing.checkChanges();
    try {
      await memory.update((record) => {
        const history = follow(record.history, position, accept);
        return record.history !== undefined && equal(history, record.history)
          ? record
          : { ...record, history };
      });
    } catch (error) {
      throw await this.#translateChange(error);
    }
  }

  /** Writes down here that another volume of the node is fenced. Never rejects: it is a second place. */
  async rememberFence(volumeId: string, detail: string): Promise<void> {
    const { memory, log, standing } = this.#parts;
    if (volumeId === this.id || standing.isFenced) return;
    const remember = memory.update((record) => ({
      ...record,
      fencedVolumes: { ...record.fencedVolumes, [volumeId]: detail },
    }));
    await remember.catch((error: unknown) =>
      log.error({ err: error, fenced: volumeId }, "a fence was not written down"),
    );
  }

  /** Asks the file system how much room there is, and whether the folder is still there. */
  async refreshSpace(): Promise<void> {
    const { disk, folder, ledger, standing, onStatus } = this.#parts;
    if ((await disk.stat(`${folder}/${volumeFileName}`)) === undefined)
      this.#fence("its folder has vanished");
    else {
      ledger.update(await disk.space(folder));
      const full = ledger.isFull(standing.current.state === "full");
      standing.setFull(full ? "its free space is below the reserve" : undefined);
    }
    onStatus(this.status);
  }

  async close(): Promise<void> {
    this.#parts.gate.close();
    await Promise.all(this.#workers.map((worker) => worker.close()));
    await this.#parts.memory.settled();
    await this.#parts.engine.close();
  }

  /** The accounting errs on the side of full: the disk itself has the last word. VOLUME_FULL. */
  async #reserveAfterLooking(sizeBytes: number | undefined): Promise<Reservation> {
    const { standing, ledger } = this.#parts;
    await this.refreshSpace();
    standing.checkWrites();
    const reservation = VolumeWrite.reserve(ledger, sizeBytes);
    if (reservation === undefined) throw standing.fullError();
    return reservation;
  }

  async *#translated(
    blobId: string,
    chunks: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* chunks;
    } catch (error) {
      throw this.#translateRead(blobId, error);
    }
  }

  #translateRead(blobId: string, error: unknown): unknown {
    if (error instanceof CairnError) {
      if (error.reason === "DAMAGED_BLOB") this.#parts.onDamage();
      return error;
    }
    if (!isUnreadable(error)) return error;
    this.#parts.onDamage();
    const known = this.#unreadable.size;
    if (known < this.#parts.damagesToFence) this.#unreadable.add(blobId);
    const count = this.#unreadable.size;
    if (count > known) this.#parts.onUnreadable([...this.#unreadable]);
    if (count >= this.#parts.damagesToFence) this.#fence(`the medium could not give back ${count} blobs`);
    const message = `Blob ${blobId}: the medium could not give it back.`;
    return new CairnError("DAMAGED_BLOB", { message, resource: blobId, cause: error });
  }

  async #translateChange(error: unknown): Promise<unknown> {
    const { standing } = this.#parts;
    if (error instanceof CairnError) return error;
    if (isFatalToWrites(error)) {
      // The gate has seen it already, unless it came from the index.
      this.#fence(`a write failed: ${codeOf(error)}`);
      return standing.fencedError(error);
    }
    if (isOutOfSpace(error)) return standing.fullError(error);
    if (codeOf(error) === "ENOENT") await this.refreshSpace().catch(() => {});
    return standing.isFenced ? standing.fencedError(error) : error;
  }

  #fence(detail: string): void {
    if (this.#parts.standing.fence(detail)) this.#parts.onFence(detail);
  }
}
