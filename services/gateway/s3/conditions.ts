import type { IncomingHttpHeaders } from "node:http";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { WriteConditionsSchema } from "../../../gen/cairn/common/v1/common_pb";
import type { ReadConditionsSchema } from "../../../gen/cairn/object/v1/object_pb";
import { CairnError } from "../../common/errors/cairn-error";

type ReadConditions = MessageInitShape<typeof ReadConditionsSchema>;
type WriteConditions = MessageInitShape<typeof WriteConditionsSchema>;

/** If-* of a read, or `x-amz-copy-source-if-*` with that prefix; undefined when there is none. */
export function readConditions(headers: IncomingHttpHeaders, prefix = ""): ReadConditions | undefined {
  const ifMatch = text(headers, `${prefix}if-match`);
  const ifNoneMatch = text(headers, `${prefix}if-none-match`);
  const modified = text(headers, `${prefix}if-modified-since`);
  const unmodified = text(headers, `${prefix}if-unmodified-since`);
  if (
    ifMatch === undefined &&
    ifNoneMatch === undefined &&
    modified === undefined &&
    unmodified === undefined
  ) {
    return undefined;
  }
  const conditions: ReadConditions = {
    ifMatch: ifMatch === undefined ? [] : entityTags(ifMatch, "strong"),
    ifNoneMatch: ifNoneMatch === undefined ? [] : entityTags(ifNoneMatch, "weak"),
  };
  // A date that is none is ignored (RFC 9110 sections 13.1.3 and 13.1.4).
  const modifiedMs = modified === undefined ? undefined : httpDateMs(modified);
  const unmodifiedMs = unmodified === undefined ? undefined : httpDateMs(unmodified);
  if (modifiedMs !== undefined) conditions.ifModifiedSinceMs = BigInt(modifiedMs);
  if (unmodifiedMs !== undefined) conditions.ifUnmodifiedSinceMs = BigInt(unmodifiedMs);
  return conditions;
}

/** Conditions of a change. Errors: NOT_IMPLEMENTED for If-None-Match with anything but "*", as S3. */
export function writeConditions(headers: IncomingHttpHeaders): WriteConditions | undefined {
  const ifMatch = headers["if-match"];
  const ifNoneMatch = headers["if-none-match"];
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined;
  if (ifNoneMatch !== undefined && ifNoneMatch.trim() !== "*") {
    throw new CairnError("NOT_IMPLEMENTED", {
      message: 'If-None-Match of a write takes only "*": write if there is nothing yet.',
      hint: "Use If-Match to replace a version that you know.",
    });
  }
  return {
    ifMatch: ifMatch === undefined ? [] : entityTags(ifMatch, "strong"),
    ifNoneMatch: ifNoneMatch === undefined ? [] : ["*"],
  };
}

/**
 * The tags of a list, unquoted. Clients of S3 send bare ones too. In a strong comparison a weak tag matches nothing
 * (RFC 9110 section 8.8.3.2): it keeps its "W/", which no ETag of ours begins with.
 */
export function entityTags(list: string, comparison: "strong" | "weak"): string[] {
  const tags: string[] = [];
  for (const match of list.matchAll(/(W\/)?(?:"([^"]*)"|([^\s,"]+))/g)) {
    const tag = match[2] ?? match[3] ?? "";
    tags.push(match[1] !== undefined && comparison === "strong" ? `W/${tag}` : tag);
  }
  return tags.length === 0 ? [""] : tags;
}

/** An HTTP date in milliseconds since the epoch; undefined when it is none. */
export function httpDateMs(value: string): number | undefined {
  if (!/^[A-Z][a-z]+,? .*\d{2}:\d{2}:\d{2}/.test(value)) return undefined;
  // asctime's form has no zone, and means GMT like the others.
  const ms = Date.parse(/GMT$/.test(value) ? value : `${value} GMT`);
  return Number.isNaN(ms) ? undefined : ms;
}

function text(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : undefined;
}
