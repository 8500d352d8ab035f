import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CopyObjectRequestSchema } from "../../gen/cairn/object/v1/object_pb";
import { newCall } from "../common/rpc/call";
import { realOpeners } from "./testing/openers";
import { type Bucket, TestStore } from "./testing/test-store";

const openers = realOpeners({});

let folder: string;
let store: TestStore;
let bucket: Bucket;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cairn-object-"));
  store = await TestStore.open(folder, openers);
  bucket = await store.createBucket();
});

afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const reason = (name: string) => expect.objectContaining({ reason: name });
const copy = (options: Partial<MessageInitShape<typeof CopyObjectRequestSchema>>) =>
  store.object.copyObject(
    { sourceBucket: bucket, sourceKey: "source", bucket, key: "target", ...options } as never,
    newCall(),
  );

describe("copying", () => {
  test("moves no bytes and keeps headers, checksums and ETag", async () => {
    const body = randomBytes(200_000);
    const source = await store.put(bucket, "source", body, { headers: { contentType: "text/x" } as never });
    const before = await store.replicas();
    const { info, sourceVersionId } = await copy({});
    expect(info).toMatchObject({ key: "target", etag: source.etag, sizeBytes: 200_000n });
    expect(info?.headers?.contentType).toBe("text/x");
    expect(sourceVersionId).toBe(source.versionId);
    expect(await store.replicas()).toBe(before);
    await store.object.deleteObject({ bucket, key: "source" }, newCall());
    expect((await store.get(bucket, "target")).body.equals(body)).toBe(true);
  });

  test("takes new headers", async () => {
    await store.put(bucket, "source", Buffer.from("body"), { headers: { contentType: "text/x" } as never });
    await copy({ headers: { contentType: "text/y" } });
    expect((await store.get(bucket, "target")).header.info?.headers?.contentType).toBe("text/y");
  });

  test("onto itself needs new headers", async () => {
    await store.put(bucket, "source", Buffer.from("body"));
    await expect(copy({ key: "source" })).rejects.toEqual(reason("COPY_ONTO_ITSELF"));
    await copy({ key: "source", headers: { contentType: "text/y" } });
    const { header, body } = await store.get(bucket, "source");
    expect([header.info?.headers?.contentType, body.toString()]).toEqual(["text/y", "body"]);
  });

  test("conditions on the source fail it, not-modified ones too", async () => {
    const { etag } = await store.put(bucket, "source", Buffer.from("body"));
    for (const sourceConditions of [{ ifMatch: ["other"] }, { ifNoneMatch: [etag] }]) {
      await expect(copy({ sourceConditions })).rejects.toEqual(reason("PRECONDITION_FAILED"));
    }
    await copy({ sourceConditions: { ifMatch: [etag] } });
  });

  test("of nothing is 404", async () => {
    await expect(copy({})).rejects.toEqual(reason("NO_SUCH_KEY_IN_BUCKET"));
  });
});

describe("deleting", () => {
  test("an absent key is no error", async () => {
    const deleted = await store.object.deleteObject({ bucket, key: "none" }, newCall());
    expect(deleted).toMatchObject({ versionId: "", deleteMarker: false });
  });

  test("a condition that does not hold refuses and changes nothing", async () => {
    await store.put(bucket, "key", Buffer.from("body"));
    const request = { bucket, key: "key", conditions: { ifMatch: ["other"] } };
    await expect(store.object.deleteObject(request, newCall())).rejects.toEqual(
      reason("PRECONDITION_FAILED"),
    );
    expect((await store.get(bucket, "key")).body.toString()).toBe("body");
  });

  test("many keys go in one Execute, each with an outcome, in order, on a fresh configuration", async () => {
    for (const key of ["a", "b", "c"]) await store.put(bucket, key, Buffer.from(key));
    store.metadataFaults.sent.length = 0;
    const stale = { ...bucket, configVersion: bucket.configVersion + 5n };
    const objects = ["c", "none", "a"].map((key) => ({ key }));
    const { results } = await store.object.deleteObjects({ bucket: stale, objects }, newCall());
    expect(results.map((result) => [result.key, result.error?.reason])).toEqual([
      ["c", undefined],
      ["none", undefined],
      ["a", undefined],
    ]);
    const { objects: left } = await store.object.listObjects({ bucket, limit: 10 }, newCall());
    expect(left.map((object) => object.key)).toEqual(["b"]);
  });
});

test("a listing shows what was put, with sizes and ETags, by pages and prefixes", async () => {
  const { etag } = await store.put(bucket, "a/1", Buffer.from("one"));
  for (const key of ["a/2", "b", "c"]) await store.put(bucket, key, Buffer.from(key));
  const first = await store.object.listObjects({ bucket, delimiter: "/", limit: 2 }, newCall());
  expect([first.commonPrefixes, first.objects.map((object) => object.key), first.more]).toEqual([
    ["a/"],
    ["b"],
    true,
  ]);
  const next = await store.object.listObjects(
    { bucket, delimiter: "/", limit: 2, after: first.nextAfter },
    newCall(),
  );
  expect(next.objects.map((object) => object.key)).toEqual(["c"]);
  const inside = await store.object.listObjects({ bucket, prefix: "a/", limit: 10 }, newCall());
  expect(inside.objects[0]).toMatchObject({ key: "a/1", sizeBytes: 3n, etag });
});

test("the cluster tells nodes, volumes and queues", async () => {
  await store.put(bucket, "key", randomBytes(100));
  const { nodes, queues } = await store.object.getCluster({}, newCall());
  expect(nodes.map((node) => [node.address, node.alive])).toEqual([
    ["node-0", true],
    ["node-1", true],
    ["node-2", true],
  ]);
  for (const volume of nodes.flatMap((node) => node.volumes)) {
    expect(volume).toMatchObject({ state: "online", deleteHold: "" });
    expect(volume.capacityBytes).toBeGreaterThan(0n);
  }
  expect(queues).toMatchObject({ repairs: 0n, deletes: 0n });
});
