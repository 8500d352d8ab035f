import type { RangeRequest } from "../../gen/cairn/object/v1/object_pb";
import { CairnError } from "../common/errors/cairn-error";

/** Bytes of a version: what is sent. */
export type ByteRange = {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly partial: boolean;
};

/**
 * What a range request means for a content of this size (RFC 9110 sections 14.1.2 and 15.5.17). Throws
 * RANGE_NOT_SATISFIABLE (params: size_bytes) when no byte of it exists. A range whose last is below its first is no
 * range and ignored, as the RFC says.
 */
export function resolveRange(range: RangeRequest["range"] | undefined, sizeBytes: number): ByteRange {
  if (range?.case === "suffixBytes") {
    const suffix = clamp(range.value, sizeBytes);
    if (suffix === 0) throw unsatisfiable(sizeBytes);
    return { offsetBytes: sizeBytes - suffix, lengthBytes: suffix, partial: true };
  }
  if (range?.case === "firstLast" && !isBackwards(range.value)) {
    if (range.value.first >= BigInt(sizeBytes)) throw unsatisfiable(sizeBytes);
    const first = Number(range.value.first);
    const last = range.value.last === undefined ? sizeBytes - 1 : clamp(range.value.last, sizeBytes - 1);
    return { offsetBytes: first, lengthBytes: last - first + 1, partial: true };
  }
  return { offsetBytes: 0, lengthBytes: sizeBytes, partial: false };
}

/** What can be asked of the metadata before the size is known; undefined asks for all extents. */
export function knownPart(
  range: RangeRequest["range"] | undefined,
): { offset: bigint; length?: bigint } | undefined {
  if (range?.case !== "firstLast" || isBackwards(range.value)) return undefined;
  const { first, last } = range.value;
  // Beyond any object's size; numbers of 64 bits would not fit everywhere.
  if (first > largest) return undefined;
  return last === undefined || last > largest
    ? { offset: first }
    : { offset: first, length: last - first + 1n };
}

const largest = BigInt(Number.MAX_SAFE_INTEGER);

function isBackwards(range: { first: bigint; last?: bigint | undefined }): boolean {
  return range.last !== undefined && range.last < range.first;
}

function clamp(value: bigint, most: number): number {
  return value > BigInt(most) ? most : Number(value);
}

function unsatisfiable(sizeBytes: number): CairnError {
  return new CairnError("RANGE_NOT_SATISFIABLE", {
    message: `The range lies outside the object's ${sizeBytes} bytes.`,
    params: { size_bytes: String(sizeBytes) },
  });
}
