import type { WriteConditions } from "../../../gen/cairn/common/v1/common_pb";
import type { KnownVersion } from "./known-version";

export type Unmet = {
  readonly reason: "PRECONDITION_FAILED" | "NO_SUCH_KEY_IN_BUCKET";
  readonly message: string;
};

/**
 * Why the conditions do not hold on a key's current version, or undefined (RFC 9110 section 13, strong comparison).
 * If-Match where nothing is, is the missing key and not the condition: so the S3 user guide, "Conditional writes".
 */
export function unmetCondition(
  conditions: WriteConditions | undefined,
  current: KnownVersion | undefined,
): Unmet | undefined {
  if (conditions === undefined) return undefined;
  const { ifMatch, ifNoneMatch } = conditions;
  const etag = current === undefined || current.delete_marker === 1 ? undefined : current.etag;
  if (ifMatch.length > 0 && etag === undefined)
    return { reason: "NO_SUCH_KEY_IN_BUCKET", message: "If-Match: the key has no current version." };
  if (ifMatch.length > 0 && !matches(ifMatch, etag))
    return { reason: "PRECONDITION_FAILED", message: "If-Match: the ETag differs." };
  if (ifNoneMatch.length > 0 && matches(ifNoneMatch, etag))
    return {
      reason: "PRECONDITION_FAILED",
      message: "If-None-Match: the key has a current version that matches.",
    };
  return undefined;
}

function matches(listed: readonly string[], etag: string | undefined): boolean {
  return etag !== undefined && (listed.includes("*") || listed.includes(etag));
}
