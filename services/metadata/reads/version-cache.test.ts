import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  CommandSchema,
  GetVersionRequestSchema,
  GetVersionResponseSchema,
  OutcomeSchema,
} from "../../../gen/cairn/metadata/v1/metadata_pb";
import { VersionCache } from "./version-cache";

const bucketId = "b";
const asked = (init: MessageInitShape<typeof GetVersionRequestSchema>) =>
  create(GetVersionRequestSchema, { bucketId, key: "k", ...init });
const answer = create(GetVersionResponseSchema, {
  version: { key: "k", versionId: "null" },
  extents: [{ blobId: "x", lengthBytes: 4n }],
  blobs: [{ blobId: "x" }],
});
const putK = create(CommandSchema, { change: { case: "putVersion", value: { bucketId, key: "k" } } });
const change = (name: string) => create(CommandSchema, { change: { case: name, value: {} } as never });

function filled(): VersionCache {
  const cache = new VersionCache();
  cache.keep(asked({}), answer, cache.ticket);
  return cache;
}

test("it answers what was read before, of a head only the head, and of one version by its id nothing", () => {
  const cache = filled();
  expect(cache.find(asked({}))).toBe(answer);
  expect(cache.find(asked({ headOnly: true }))).toMatchObject({
    version: { key: "k" },
    extents: [],
    blobs: [],
  });
  expect(cache.find(asked({ versionId: "null" }))).toBeUndefined();
  expect(cache.find(asked({ key: "other" }))).toBeUndefined();
});

test("a head that is known answers no request for bytes", () => {
  const cache = new VersionCache();
  cache.keep(asked({ headOnly: true }), answer, cache.ticket);
  expect(cache.find(asked({ headOnly: true }))).toBeDefined();
  expect(cache.find(asked({}))).toBeUndefined();
});

test("a range of one extent is answered by it, of several by the engine", () => {
  expect(filled().find(asked({ offsetBytes: 1n, lengthBytes: 2n }))).toBe(answer);
  const cache = new VersionCache();
  const pieces = create(GetVersionResponseSchema, {
    extents: [
      { blobId: "x", lengthBytes: 4n },
      { blobId: "y", lengthBytes: 4n },
    ],
  });
  cache.keep(asked({}), pieces, cache.ticket);
  expect(cache.find(asked({}))).toBeDefined();
  expect(cache.find(asked({ offsetBytes: 5n, lengthBytes: 1n }))).toBeUndefined();
});

test("from a command's begin to its transaction's end its key is neither answered nor kept", () => {
  const cache = filled();
  const ended = cache.begin([putK]);
  expect(cache.find(asked({}))).toBeUndefined();
  cache.keep(asked({}), answer, cache.ticket);
  expect(cache.find(asked({}))).toBeUndefined();
  ended([]);
  cache.keep(asked({}), answer, cache.ticket);
  expect(cache.find(asked({}))).toBe(answer);
});

test("what was read before a command began is not kept after it", () => {
  const cache = new VersionCache();
  const { ticket } = cache;
  cache.begin([putK])([]);
  cache.keep(asked({}), answer, ticket);
  expect(cache.find(asked({}))).toBeUndefined();
});

test("two transactions at once hold a key until both have ended", () => {
  const cache = new VersionCache();
  const first = cache.begin([putK]);
  const second = cache.begin([putK]);
  first([]);
  cache.keep(asked({}), answer, cache.ticket);
  expect(cache.find(asked({}))).toBeUndefined();
  second([]);
  cache.keep(asked({}), answer, cache.ticket);
  expect(cache.find(asked({}))).toBe(answer);
});

test.each([
  ["configureBucket", undefined],
  ["deleteBucket", undefined],
  ["finishRepair", undefined],
  ["moveCopy", undefined],
  ["fenceVolume", undefined],
  ["completeUpload", undefined],
  ["holdLease", answer],
  ["saveWalk", answer],
])("after %s it answers %p", (name, expected) => {
  const cache = filled();
  cache.begin([change(name)])([]);
  expect(cache.find(asked({}))).toBe(expected);
});

test("copies that were condemned make it forget where bytes lie", () => {
  const cache = filled();
  cache.begin([change("takeDeletes")])([create(OutcomeSchema, { result: { case: "deletes", value: {} } })]);
  expect(cache.find(asked({}))).toBe(answer);
  const pairs = [{ blobId: "x", volumeId: "v" }];
  cache.begin([change("takeDeletes")])([
    create(OutcomeSchema, { result: { case: "deletes", value: { pairs } } }),
  ]);
  expect(cache.find(asked({}))).toBeUndefined();
});
