import type { WriteConditions } from "../../../gen/cairn/common/v1/common_pb";
import type { KnownVersion } from "./versions";

/** Why the conditions do not hold on a key's current version, or undefined (RFC 9110 section 13, strong comparison). */
export function unmetCondition(
  conditions: WriteConditions | undefined,
  current: KnownVersion | undefined,
): string | undefined {
  if (conditions === undefined) return undefined;
  const { ifMatch, ifNoneMatch } = conditions;
  const etag = current === undefined || current.delete_marker === 1 ? undefined : current.etag;
  if (ifMatch.length > 0 && !matches(ifMatch, etag))
    return etag === undefined ? "If-Match: the key has no current version." : "If-Match: the ETag differs.";
  if (ifNoneMatch.length > 0 && matches(ifNoneMatch, etag))
    return "If-None-Match: the key has a current version that matches.";
  return undefined;
}

function matches(listed: readonly string[], etag: string | undefined): boolean {
  return etag !== undefined && (listed.includes("*") || listed.includes(etag));
}
