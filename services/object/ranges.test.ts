import { create } from "@bufbuild/protobuf";
import { type RangeRequest, RangeRequestSchema } from "../../gen/cairn/object/v1/object_pb";
import { knownPart, resolveRange } from "./ranges";

function firstLast(first: bigint, last?: bigint): RangeRequest["range"] {
  const value = last === undefined ? { first } : { first, last };
  return create(RangeRequestSchema, { range: { case: "firstLast", value } }).range;
}

function suffix(value: bigint): RangeRequest["range"] {
  return create(RangeRequestSchema, { range: { case: "suffixBytes", value } }).range;
}

const huge = 2n ** 64n - 1n;

test.each([
  ["nothing asked", undefined, 10, [0, 10, false]],
  ["nothing asked of nothing", undefined, 0, [0, 0, false]],
  ["the first byte", firstLast(0n, 0n), 10, [0, 1, true]],
  ["the middle", firstLast(3n, 5n), 10, [3, 3, true]],
  ["open", firstLast(3n), 10, [3, 7, true]],
  ["beyond the end", firstLast(3n, huge), 10, [3, 7, true]],
  ["the whole", firstLast(0n, 9n), 10, [0, 10, true]],
  ["last below first is no range", firstLast(5n, 3n), 10, [0, 10, false]],
  ["the last three", suffix(3n), 10, [7, 3, true]],
  ["a suffix longer than the object", suffix(huge), 10, [0, 10, true]],
])("%s", (_, range, size, [offsetBytes, lengthBytes, partial]) => {
  expect(resolveRange(range, size)).toEqual({ offsetBytes, lengthBytes, partial });
});

test.each([
  ["first at the end", firstLast(10n), 10],
  ["first beyond all numbers", firstLast(huge), 10],
  ["any byte of nothing", firstLast(0n), 0],
  ["a suffix of nothing", suffix(1n), 0],
  ["a suffix of no bytes", suffix(0n), 10],
])("%s cannot be satisfied, and the size is told", (_, range, size) => {
  expect(() => resolveRange(range, size)).toThrow(
    expect.objectContaining({ reason: "RANGE_NOT_SATISFIABLE", params: { size_bytes: String(size) } }),
  );
});

test("only a plain range can be asked of the metadata before the size is known", () => {
  expect(knownPart(firstLast(3n, 5n))).toEqual({ offset: 3n, length: 3n });
  expect(knownPart(firstLast(3n))).toEqual({ offset: 3n });
  expect(knownPart(firstLast(5n, 3n))).toBeUndefined();
  expect(knownPart(suffix(3n))).toBeUndefined();
  expect(knownPart(firstLast(3n, huge))).toEqual({ offset: 3n });
  expect(knownPart(firstLast(huge, huge))).toBeUndefined();
});
