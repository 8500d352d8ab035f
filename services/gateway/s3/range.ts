import type { MessageInitShape } from "@bufbuild/protobuf";
import type { RangeRequestSchema } from "../../../gen/cairn/object/v1/object_pb";

type RangeRequest = MessageInitShape<typeof RangeRequestSchema>;

const maxUint64 = 2n ** 64n - 1n;

/**
 * A Range header as asked (RFC 9110 section 14.2). Undefined, and so the whole object, for what a server may
 * ignore: another unit, a malformed range, several ranges (as S3 does).
 */
export function parseRange(header: string | undefined): RangeRequest | undefined {
  if (header === undefined) return undefined;
  const match = /^bytes=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(header);
  if (match === null) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "") {
    return last === "" ? undefined : { range: { case: "suffixBytes", value: clamp(last) } };
  }
  if (last === "") return { range: { case: "firstLast", value: { first: clamp(first) } } };
  const range = { first: clamp(first), last: clamp(last) };
  return range.first > range.last ? undefined : { range: { case: "firstLast", value: range } };
}

function clamp(digits: string): bigint {
  const value = BigInt(digits.slice(0, 40));
  return value > maxUint64 ? maxUint64 : value;
}
