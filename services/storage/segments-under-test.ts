import { silentLogger } from "../common/log/logger";
import { type Clock, systemClock } from "../common/time/clock";
import { type StorageConfig, storageDefaults } from "./config";
import type { Disk } from "./disk";
import { type HybridEngine, openHybridEngine } from "./hybrid-engine";
import { SegmentFiles } from "./segment-files";
import {
  decodeSegmentHeader,
  recordHeaderBytes,
  recordMagic,
  segmentHeaderBytes,
  segmentSeed,
} from "./segment-format";
import { scanSegment } from "./segment-scan";
import { openSegmentStore, type SegmentStore } from "./segment-store";

/** A volume's engine with small segments, for tests. */
export function openHybrid(
  disk: Disk,
  folder: string,
  config: Partial<StorageConfig> = {},
): Promise<HybridEngine> {
  return openHybridEngine({
    folder,
    disk,
    clock: systemClock,
    log: silentLogger,
    readOnly: false,
    config: { ...storageDefaults, folders: [folder], segmentBytes: 1_000_000, openFiles: 4, ...config },
  });
}

let nextByte = 0;

/** The store of small blobs alone. */
export function openStore(
  disk: Disk,
  folder: string,
  options: { segmentBytes?: number; readOnly?: boolean; clock?: Clock } = {},
): Promise<SegmentStore> {
  return openSegmentStore({
    disk,
    clock: systemClock,
    log: silentLogger,
    folder,
    readOnly: false,
    segmentBytes: 20_000,
    openFiles: 4,
    deadShare: 0.3,
    compactionBytesPerSecond: Number.POSITIVE_INFINITY,
    newSegmentId: () => new Uint8Array(16).fill(nextByte++),
    ...options,
  });
}

/** Every sound record of a volume, from its first segment to its last. */
export async function recordsOf(disk: Disk, folder: string) {
  const files = new SegmentFiles(disk, `${folder}/segments`);
  const found: { segment: number; offsetBytes: number; blobId: string; kind: string }[] = [];
  for (const segment of await files.list()) {
    const fd = await disk.open(files.pathOf(segment), "cache");
    const header = Buffer.alloc(segmentHeaderBytes);
    await disk.read(fd, header, 0);
    const seed = segmentSeed(decodeSegmentHeader(header, segment) ?? "");
    await scanSegment(disk, fd, seed, segmentHeaderBytes, (records) => {
      for (const { header, offsetBytes } of records)
        found.push({ segment, offsetBytes, blobId: header.blobId, kind: header.kind });
    });
    await disk.close(fd);
  }
  return found;
}

/** Finds where the newest record of a blob lies in the bytes of a segment, sound or not. */
export function placeOf(data: Buffer, blobId: string): { from: number; to: number } | undefined {
  const id = data.lastIndexOf(Buffer.from(blobId.replaceAll("-", ""), "hex"));
  if (id === -1 || data.compare(recordMagic, 0, 8, id - 16, id - 8) !== 0) return undefined;
  const from = id - 16;
  return { from, to: from + recordHeaderBytes + data.readUInt32LE(from + 12) };
}
