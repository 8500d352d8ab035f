import type { Logger } from "../common/log/logger";
import { codeOf, type Disk } from "./disk";
import type { SegmentFiles } from "./segment-files";
import { decodeSegmentHeader, recordHeaderBytes, segmentHeaderBytes, segmentSeed } from "./segment-format";
import { SegmentIndex } from "./segment-index";
import { scanSegment } from "./segment-scan";

export type RecoveryOptions = {
  readonly disk: Disk;
  readonly log: Logger;
  readonly files: SegmentFiles;
  readonly indexPath: string;
  /** A fenced volume's: nothing is changed on its disk. */
  readonly readOnly: boolean;
  /** Told how many bytes of the segments are read and indexed, of how many. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
};

/** Thrown when the index speaks of other segments than those that are there. */
class IndexDoesNotFit extends Error {}

/**
 * Opens the index and brings it level with the segments: only what lies behind the part that is indexed is read. An
 * index that is missing, damaged or does not fit is made anew from the segments alone.
 */
export async function recoverSegments(options: RecoveryOptions): Promise<SegmentIndex> {
  const { log, files } = options;
  const index = await openIndex(options);
  try {
    try {
      await bringLevel(options, index);
    } catch (error) {
      if (!(error instanceof IndexDoesNotFit)) throw error;
      log.warn({ folder: files.root }, `the index of segments is made anew: ${error.message}`);
      index.clear();
      await bringLevel(options, index);
    }
    index.flush();
    return index;
  } catch (error) {
    index.close();
    throw error;
  }
}

async function openIndex({ disk, log, indexPath, readOnly }: RecoveryOptions): Promise<SegmentIndex> {
  if (readOnly) return new SegmentIndex(disk.cacheDatabase(undefined));
  try {
    return openSound(disk, indexPath);
  } catch (error) {
    log.warn({ err: error }, "the index of segments cannot be used and is made anew");
  }
  for (const path of [indexPath, `${indexPath}-wal`, `${indexPath}-shm`]) {
    await disk.unlink(path).catch((error: unknown) => {
      if (codeOf(error) !== "ENOENT") throw error;
    });
  }
  return openSound(disk, indexPath);
}

function openSound(disk: Disk, indexPath: string): SegmentIndex {
  const database = disk.cacheDatabase(indexPath);
  try {
    return new SegmentIndex(database);
  } catch (error) {
    database.close();
    throw error;
  }
}

async function bringLevel(options: RecoveryOptions, index: SegmentIndex): Promise<void> {
  const there = await options.files.list();
  const report = await progressOf(options, there);
  for (const segment of there) {
    const restBytes = await replay(options, index, segment, report);
    report?.(restBytes);
  }
  for (const { segment, liveBlobs } of index.segments) {
    if (there.includes(segment)) continue;
    // Its removal after a compaction may have been the last thing that happened.
    if (liveBlobs > 0) throw new IndexDoesNotFit(`segment ${segment} is missing`);
    index.removeSegment(segment);
  }
}

/** Adds up what each segment reports of itself; undefined when nobody wants to know. */
async function progressOf({ disk, files, onProgress }: RecoveryOptions, segments: readonly number[]) {
  if (onProgress === undefined) return undefined;
  let totalBytes = 0;
  for (const segment of segments) totalBytes += (await disk.stat(files.pathOf(segment)))?.sizeBytes ?? 0;
  let doneBytes = 0;
  return (bytes: number) => {
    doneBytes += bytes;
    onProgress(doneBytes, totalBytes);
  };
}

/** Tells `report` of what it reads as it goes, and answers how many bytes of the file that left out. */
async function replay(
  options: RecoveryOptions,
  index: SegmentIndex,
  segment: number,
  report: ((bytes: number) => void) | undefined,
): Promise<number> {
  const { disk, log, files, readOnly } = options;
  const fd = await disk.open(files.pathOf(segment), "cache");
  try {
    const fileBytes = await disk.sizeOf(fd);
    const known = index.segment(segment);
    const header = Buffer.alloc(segmentHeaderBytes);
    await disk.read(fd, header, 0);
    const segmentId = decodeSegmentHeader(header, segment) ?? known?.segmentId;
    if (segmentId === undefined) {
      if (fileBytes > segmentHeaderBytes)
        log.error({ segment }, "the header of a segment is damaged: its blobs are missing");
      // Cut off while it was made: no record was acknowledged in it.
      else if (!readOnly) await files.remove(segment);
      return fileBytes;
    }
    if (known !== undefined && (known.segmentId !== segmentId || known.throughBytes > fileBytes))
      throw new IndexDoesNotFit(`segment ${segment} is another than it was`);
    if (known?.throughBytes === fileBytes) return fileBytes;
    // A killed process may have left in the page cache what a power cut would still take (P8).
    if (!readOnly) {
      await disk.datasync(fd);
      await disk.syncDirectory(files.root);
    }
    const state = known ?? index.addSegment(segment, segmentId, segmentHeaderBytes);
    const fromBytes = state.throughBytes;
    const seed = segmentSeed(segmentId);
    let reported = 0;
    const { soundThroughBytes, damages } = await scanSegment(disk, fd, seed, fromBytes, (records) => {
      index.apply(
        state,
        fromBytes,
        records.map(({ header: { kind, blobId, sizeBytes, crc32c, writtenAtMs }, offsetBytes }) => ({
          kind,
          blobId,
          location: { segment, offsetBytes, sizeBytes, crc32c, writtenAtMs },
          previous: "look" as const,
        })),
      );
      index.flushIfDue();
      const last = records.at(-1);
      if (report === undefined || last === undefined) return;
      const throughBytes = last.offsetBytes + recordHeaderBytes + last.header.sizeBytes;
      report(throughBytes - reported);
      reported = throughBytes;
    });
    // Nothing is appended to a segment that was opened again, so a torn end stays where it is and is read once.
    index.apply(state, fileBytes, []);
    if (damages > 0) log.error({ segment, damages }, "damaged records in a segment: their blobs are missing");
    if (soundThroughBytes < fileBytes)
      log.info(
        { segment, bytes: fileBytes - soundThroughBytes },
        "the end of a segment was cut off by a crash",
      );
    return fileBytes - reported;
  } finally {
    await disk.close(fd).catch(() => {});
  }
}
