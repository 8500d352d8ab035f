import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ReadConditionsSchema } from "../../gen/cairn/object/v1/object_pb";
import { type Decision, decideRead } from "./read-conditions";

const modifiedMs = Date.UTC(2026, 10, 23, 12, 0, 0);
const version = { etag: "abc", lastModifiedMs: modifiedMs + 345 };
const before = BigInt(modifiedMs - 1000);
const same = BigInt(modifiedMs);
const after = BigInt(modifiedMs + 1000);

const table: [string, MessageInitShape<typeof ReadConditionsSchema>, Decision][] = [
  ["no condition", {}, "send"],
  ["If-Match that holds", { ifMatch: ["x", "abc"] }, "send"],
  ["If-Match that does not", { ifMatch: ["x"] }, "failed"],
  ["If-Match of anything", { ifMatch: ["*"] }, "send"],
  ["If-Match compares strongly", { ifMatch: ['W/"abc"'] }, "failed"],
  ["If-None-Match that is met", { ifNoneMatch: ["abc"] }, "not-modified"],
  ["If-None-Match compares weakly", { ifNoneMatch: ['W/"abc"'] }, "not-modified"],
  ["If-None-Match of another", { ifNoneMatch: ["x"] }, "send"],
  ["If-None-Match of anything", { ifNoneMatch: ["*"] }, "not-modified"],
  ["If-Modified-Since earlier", { ifModifiedSinceMs: before }, "send"],
  ["If-Modified-Since the same second", { ifModifiedSinceMs: same }, "not-modified"],
  ["If-Modified-Since later", { ifModifiedSinceMs: after }, "not-modified"],
  ["If-Unmodified-Since earlier", { ifUnmodifiedSinceMs: before }, "failed"],
  ["If-Unmodified-Since the same second", { ifUnmodifiedSinceMs: same }, "send"],
  ["If-Unmodified-Since later", { ifUnmodifiedSinceMs: after }, "send"],
  ["If-Match wins over If-Unmodified-Since", { ifMatch: ["abc"], ifUnmodifiedSinceMs: before }, "send"],
  ["If-None-Match wins over If-Modified-Since", { ifNoneMatch: ["x"], ifModifiedSinceMs: after }, "send"],
  ["both lists: first If-Match", { ifMatch: ["x"], ifNoneMatch: ["abc"] }, "failed"],
  ["both lists: then If-None-Match", { ifMatch: ["abc"], ifNoneMatch: ["abc"] }, "not-modified"],
  [
    "both dates: first the unmodified one",
    { ifUnmodifiedSinceMs: before, ifModifiedSinceMs: after },
    "failed",
  ],
  [
    "both dates: then the modified one",
    { ifUnmodifiedSinceMs: after, ifModifiedSinceMs: after },
    "not-modified",
  ],
  ["If-Match holds, not modified since", { ifMatch: ["abc"], ifModifiedSinceMs: after }, "not-modified"],
];

test.each(table)("%s", (_, conditions, expected) => {
  expect(decideRead(create(ReadConditionsSchema, conditions), version)).toBe(expected);
});

test("a read without conditions goes on", () => {
  expect(decideRead(undefined, version)).toBe("send");
});
