import type { Logger } from "../common/log/logger";
import type { Disk } from "./disk";
import type { KeyedTurns } from "./keyed-turns";
import type { OpenFiles } from "./open-files";
import type { SegmentFiles } from "./segment-files";
import { recordHeaderBytes, segmentHeaderBytes } from "./segment-format";
import type { SegmentIndex, SegmentState } from "./segment-index";
import { type ScannedRecord, scanSegment } from "./segment-scan";
import type { SegmentWriter } from "./segment-writer";

/** So many small segments, which restarts leave, are joined. */
const smallSegments = 8;

export type CompactorParts = {
  readonly disk: Disk;
  readonly log: Logger;
  readonly files: SegmentFiles;
  readonly index: SegmentIndex;
  readonly writer: SegmentWriter;
  readonly open: OpenFiles;
  readonly turns: KeyedTurns;
  readonly segmentBytes: number;
  /** A segment with a larger share of dead bytes is compacted. */
  readonly deadShare: number;
  /** Waits until so many bytes more may be copied; rejects when the volume closes. */
  readonly pace: (bytes: number) => Promise<void>;
};

/**
 * Gives back the space of deleted blobs: copies what lives of a segment to the current one, as any other write, and
 * then removes the file. Crash-safe at every step, since a copy is one more record of its blob, the newest of which
 * wins, and the file goes only when no newest record is in it any more.
 */
export class SegmentCompactor {
  readonly #parts: CompactorParts;
  /** Segments that hold a live record which is damaged: they stay until it is repaired or deleted. */
  readonly #stuck = new Set<number>();
  #running: Promise<boolean> | undefined;

  constructor(parts: CompactorParts) {
    this.#parts = parts;
  }

  /** Compacts one segment; false when none needs it. Whoever asks while it works waits for the same one. */
  step(): Promise<boolean> {
    this.#running ??= this.#compactOne().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #compactOne(): Promise<boolean> {
    const state = this.#choose();
    if (state === undefined) return false;
    const { index, files, open, log } = this.#parts;
    await this.#copyLive(state);
    if (state.liveBlobs > 0) {
      this.#stuck.add(state.segment);
      log.error(
        { segment: state.segment, blobs: state.liveBlobs },
        "a segment cannot be compacted: records in it are damaged",
      );
      return true;
    }
    this.#stuck.delete(state.segment);
    // Before the file goes: a start must not miss a segment that SQLite still names.
    index.flush();
    // Who reads in it goes on to the end: the descriptor outlives the name.
    open.drop(String(state.segment));
    await files.remove(state.segment);
    open.drop(String(state.segment));
    index.removeSegment(state.segment);
    return true;
  }

  #choose(): SegmentState | undefined {
    const { index, writer, deadShare, segmentBytes } = this.#parts;
    const sealed = index.segments.filter(
      ({ segment, liveBlobs }) => segment !== writer.current && !(this.#stuck.has(segment) && liveBlobs > 0),
    );
    // The one that gives most back for what is copied: on a full disk there is little room to copy to.
    const liveShare = ({ throughBytes, liveBytes }: SegmentState) =>
      liveBytes / Math.max(throughBytes - segmentHeaderBytes, 1);
    const [emptiest] = [...sealed].sort((a, b) => liveShare(a) - liveShare(b));
    if (emptiest !== undefined && liveShare(emptiest) < 1 - deadShare) return emptiest;
    const small = sealed.filter(({ throughBytes }) => throughBytes < segmentBytes / smallSegments);
    return small.length > smallSegments ? small[0] : undefined;
  }

  async #copyLive({ segment, seed }: SegmentState): Promise<void> {
    const { disk, files, pace } = this.#parts;
    const fd = await disk.open(files.pathOf(segment), "cache");
    try {
      await scanSegment(disk, fd, seed, segmentHeaderBytes, async (records) => {
        const needed = records.filter((record) => this.#isNeeded(segment, record));
        if (needed.length === 0) return;
        await pace(needed.reduce((sum, { content }) => sum + recordHeaderBytes + content.length, 0));
        await Promise.all(needed.map((record) => this.#copy(segment, record)));
      });
    } finally {
      await disk.close(fd).catch(() => {});
    }
  }

  /** A blob's newest record; a tombstone as long as another segment holds an older record of a blob that is gone. */
  #isNeeded(segment: number, { header, offsetBytes }: ScannedRecord): boolean {
    const { index } = this.#parts;
    const newest = index.find(header.blobId);
    if (header.kind === "tombstone")
      return newest === undefined && index.isSupersededOutside(segment, header.blobId);
    return newest?.segment === segment && newest.offsetBytes === offsetBytes;
  }

  /** In the blob's turn: a delete or a write meanwhile must not be followed by an older record. */
  #copy(segment: number, record: ScannedRecord): Promise<void> {
    const { index, writer, turns } = this.#parts;
    const { kind, blobId, sizeBytes, crc32c, writtenAtMs } = record.header;
    return turns.run(blobId, async () => {
      if (!this.#isNeeded(segment, record)) return;
      const previous = index.find(blobId);
      const pieces = [record.content];
      await writer.append({ kind, blobId, sizeBytes, crc32c, writtenAtMs, pieces, previous });
    });
  }
}
