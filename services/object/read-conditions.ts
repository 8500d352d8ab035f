import type { ReadConditions } from "../../gen/cairn/object/v1/object_pb";

/** What the conditions are held against. */
export type Validators = {
  /** Unquoted. */
  readonly etag: string;
  readonly lastModifiedMs: number;
};

export type Decision = "send" | "not-modified" | "failed";

/**
 * Whether a read goes on: RFC 9110 section 13.2.2, steps 1 to 4 in that order. If-Unmodified-Since counts only without
 * If-Match, If-Modified-Since only without If-None-Match. If-Match compares strongly, If-None-Match weakly; the
 * ETags of S3 are strong, so that a weak one (W/"…") never matches strongly. Dates are whole seconds (section 5.6.7).
 */
export function decideRead(conditions: ReadConditions | undefined, version: Validators): Decision {
  if (conditions === undefined) return "send";
  const { ifMatch, ifNoneMatch, ifModifiedSinceMs, ifUnmodifiedSinceMs } = conditions;
  const modifiedSeconds = Math.floor(version.lastModifiedMs / 1000);
  if (ifMatch.length > 0) {
    if (!ifMatch.some((etag) => matchesStrongly(etag, version.etag))) return "failed";
  } else if (ifUnmodifiedSinceMs !== undefined && modifiedSeconds > seconds(ifUnmodifiedSinceMs)) {
    return "failed";
  }
  if (ifNoneMatch.length > 0) {
    return ifNoneMatch.some((etag) => matchesWeakly(etag, version.etag)) ? "not-modified" : "send";
  }
  if (ifModifiedSinceMs !== undefined && modifiedSeconds <= seconds(ifModifiedSinceMs)) return "not-modified";
  return "send";
}

function seconds(ms: bigint): number {
  return Math.floor(Number(ms) / 1000);
}

function matchesStrongly(given: string, etag: string): boolean {
  return given === "*" || given === etag;
}

function matchesWeakly(given: string, etag: string): boolean {
  if (given === "*" || given === etag) return true;
  if (!given.startsWith("W/")) return false;
  const opaque = given.slice(2);
  return opaque === etag || opaque === `"${etag}"`;
}
