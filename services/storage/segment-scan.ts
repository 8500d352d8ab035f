import { alignedUp } from "./aligned-buffers";
import type { Disk } from "./disk";
import {
  badBlock,
  decodeRecordHeader,
  maxRecordBytes,
  type RecordHeader,
  recordHeaderBytes,
  recordMagic,
} from "./segment-format";

const windowBytes = 2 * maxRecordBytes;

/** A sound record; its content is a view that the next window overwrites. */
export type ScannedRecord = {
  readonly header: RecordHeader;
  readonly offsetBytes: number;
  readonly content: Buffer;
};

/**
 * Walks a segment's records from `fromBytes`, giving the sound ones window by window. It goes on past bad bytes: when
 * a sound record follows they are damage, counted and told to `onDamage` before the records behind it; when none does they
 * are the tear of a last write (P8).
 */
export async function scanSegment(
  disk: Disk,
  fd: number,
  seed: number,
  fromBytes: number,
  onRecords: (records: readonly ScannedRecord[]) => void | Promise<void>,
  onDamage: (fromBytes: number, toBytes: number) => void = () => {},
): Promise<{ soundThroughBytes: number; damages: number }> {
  const window = Buffer.allocUnsafeSlow(windowBytes);
  let soundThroughBytes = fromBytes;
  let damages = 0;
  let bad = false;
  for (let position = fromBytes; ; ) {
    const count = await disk.read(fd, window, position);
    const isLast = count < windowBytes;
    const bytes = window.subarray(0, count);
    const records: ScannedRecord[] = [];
    let at = 0;
    while (at < count) {
      if (bad) {
        const next = bytes.indexOf(recordMagic, at);
        // The magic may begin in this window and end in the next.
        at = next === -1 ? Math.max(at, count - recordMagic.length + 1) : next;
        if (next === -1) break;
      }
      let found = recordAt(bytes, at, seed, position + at);
      if (found === "bad" && !bad) {
        const gapBytes = zerosToAlignment(bytes, at, position);
        const behind = gapBytes > 0 ? recordAt(bytes, at + gapBytes, seed, position + at + gapBytes) : "bad";
        if (behind === "cut" && isLast && at + gapBytes === count) {
          // What ends a direct write is no tear.
          soundThroughBytes = position + count;
          break;
        }
        // A gap is one when the record behind it says so: zeros in a lost record's place are damage.
        if (behind === "cut" || (behind !== "bad" && behind.header.gapBytes === gapBytes)) found = behind;
        if (typeof found !== "string") at += gapBytes;
      }
      if (found === "cut" && !isLast) break;
      if (found === "bad" || found === "cut") {
        bad = true;
        at += 1;
        continue;
      }
      if (bad) {
        damages += 1;
        onDamage(soundThroughBytes, position + at);
      }
      bad = false;
      records.push(found);
      at += recordHeaderBytes + found.header.sizeBytes;
      soundThroughBytes = position + at;
    }
    if (records.length > 0) await onRecords(records);
    if (isLast) return { soundThroughBytes, damages };
    position += at;
  }
}

/** How many zeros lie from `at` to the next multiple of 4,096 of the file; 0 when something else does. */
function zerosToAlignment(bytes: Buffer, at: number, positionBytes: number): number {
  const end = alignedUp(positionBytes + at) - positionBytes;
  for (let index = at; index < Math.min(end, bytes.length); index++) if (bytes[index] !== 0) return 0;
  return end - at;
}

function recordAt(
  bytes: Buffer,
  at: number,
  seed: number,
  positionBytes: number,
): ScannedRecord | "cut" | "bad" {
  if (bytes.length - at < recordHeaderBytes) return "cut";
  const header = decodeRecordHeader(bytes, at, seed, positionBytes);
  if (header === undefined) return "bad";
  const end = at + recordHeaderBytes + header.sizeBytes;
  if (end > bytes.length) return "cut";
  const content = bytes.subarray(at + recordHeaderBytes, end);
  return badBlock(header, content) === undefined ? { header, offsetBytes: positionBytes, content } : "bad";
}
