import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { CopyState } from "../../gen/cairn/metadata/v1/metadata_pb";
import { newCall } from "../common/rpc/call";
import { realOpeners } from "./testing/openers";
import { type Bucket, eventually, quickConfig, TestStore } from "./testing/test-store";

const openers = realOpeners();

let folder: string;
let store: TestStore;
let bucket: Bucket;
const config = {
  ...quickConfig,
  blobLimitBytes: 3_000_000,
  read: { ...quickConfig.read, deleteGraceMs: 600_000 },
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cairn-object-"));
  store = await TestStore.open(folder, openers, config);
  bucket = await store.createBucket();
});

afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const reason = (name: string) => expect.objectContaining({ reason: name });
const range = (first: number, last?: number) =>
  ({
    range: {
      case: "firstLast",
      value: last === undefined ? { first: BigInt(first) } : { first: BigInt(first), last: BigInt(last) },
    },
  }) as never;
const suffix = (bytes: number) => ({ range: { case: "suffixBytes", value: BigInt(bytes) } }) as never;
const conditions = (given: object) => ({ ifMatch: [], ifNoneMatch: [], ...given }) as never;

test("a small read is one look at the metadata and one call to a node", async () => {
  await store.put(bucket, "key", randomBytes(4_096));
  const before = store.metadataFaults.versionLookups;
  await store.get(bucket, "key");
  expect(store.metadataFaults.versionLookups - before).toBe(1);
  expect(store.nodes.reduce((sum, node) => sum + node.faults.reads, 0)).toBe(1);
});

test("any range of several blobs is what the same range of a buffer is", async () => {
  await store.close();
  store = await TestStore.open(folder, openers, { ...config, blobLimitBytes: 70_001 });
  const body = randomBytes(300_000);
  await store.put(bucket, "key", body);
  await fc.assert(
    fc.asyncProperty(fc.nat(299_999), fc.nat(310_000), fc.nat(2), async (first, more, kind) => {
      const asked = kind === 0 ? range(first, first + more) : kind === 1 ? range(first) : suffix(first + 1);
      const expected =
        kind === 0
          ? body.subarray(first, first + more + 1)
          : body.subarray(kind === 1 ? first : 300_000 - first - 1);
      const { header, body: read } = await store.get(bucket, "key", { range: asked });
      expect(header.partial).toBe(true);
      expect(Number(header.lengthBytes)).toBe(expected.length);
      expect(Number(header.offsetBytes)).toBe(kind === 2 ? 299_999 - first : first);
      expect(read.equals(expected)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test("a range outside tells the size", async () => {
  await store.put(bucket, "key", randomBytes(10));
  await expect(store.get(bucket, "key", { range: range(10) })).rejects.toEqual(
    expect.objectContaining({ reason: "RANGE_NOT_SATISFIABLE", params: { size_bytes: "10" } }),
  );
});

test("conditions are decided before a byte is read", async () => {
  const { etag } = await store.put(bucket, "key", randomBytes(10));
  const fresh = await store.get(bucket, "key", { conditions: conditions({ ifNoneMatch: [etag] }) });
  expect(fresh.header).toMatchObject({ notModified: true, lengthBytes: 0n });
  expect(fresh.body).toHaveLength(0);
  await expect(store.get(bucket, "key", { conditions: conditions({ ifMatch: ["x"] }) })).rejects.toEqual(
    reason("PRECONDITION_FAILED"),
  );
  expect(store.nodes.every((node) => node.faults.reads === 0)).toBe(true);
});

test("a HEAD tells what the GET's header tells", async () => {
  await store.put(bucket, "key", randomBytes(100), { headers: { contentType: "text/x" } as never });
  const asked = { bucket, key: "key", range: range(10, 19) };
  const { header } = await store.object.headObject(asked, newCall());
  expect(header).toEqual((await store.get(bucket, "key", { range: range(10, 19) })).header);
  expect(header?.info?.headers?.contentType).toBe("text/x");
});

test("two nodes down: reads go on", async () => {
  const body = randomBytes(100_000);
  await store.put(bucket, "key", body);
  for (const alive of [0, 1, 2]) {
    for (const [index, node] of store.nodes.entries()) node.faults.down = index !== alive;
    expect((await store.get(bucket, "key")).body.equals(body)).toBe(true);
  }
});

test("all nodes down: 503 and no header", async () => {
  await store.put(bucket, "key", randomBytes(100));
  for (const node of store.nodes) node.faults.down = true;
  await expect(store.get(bucket, "key")).rejects.toEqual(reason("DATA_UNAVAILABLE"));
});

test.each(["break", "stall"])(
  "nodes that %s in mid-read: another goes on from the same offset",
  async (how) => {
    const body = randomBytes(8_000_000);
    await store.put(bucket, "key", body);
    const [a, b] = store.nodes;
    for (const node of [a, b]) {
      if (node === undefined) continue;
      if (how === "break") node.faults.breakReadsAfterBytes = 1_500_000;
      else node.faults.stallReadsAfterBytes = 1_500_000;
    }
    for (let index = 0; index < 3; index++)
      expect((await store.get(bucket, "key")).body.equals(body)).toBe(true);
    expect(await store.queues()).toMatchObject({ repairs: 0n });
    expect(store.nodes.map((node) => node.faults.openStreams)).toEqual([0, 0, 0]);
  },
);

test("nodes that are all slower than a replica may be answer late, not with an error", async () => {
  const body = randomBytes(100);
  await store.put(bucket, "key", body);
  for (const node of store.nodes) node.faults.readDelayMs = 600;
  expect((await store.get(bucket, "key")).body.equals(body)).toBe(true);
  expect(await store.queues()).toMatchObject({ repairs: 0n });
});

test("a node that was slow is asked again when the others fail", async () => {
  const body = randomBytes(100);
  await store.put(bucket, "key", body);
  const [slow, ...others] = store.nodes;
  if (slow !== undefined) slow.faults.readDelayMs = 600;
  for (const node of others) node.faults.breakReadsAfterBytes = 50;
  for (let index = 0; index < 3; index++)
    expect((await store.get(bucket, "key")).body.equals(body)).toBe(true);
});

test("a damaged replica is served around and queued for repair", async () => {
  const body = randomBytes(2_000_000);
  await store.put(bucket, "key", body);
  const [place] = await store.places(bucket, "key");
  expect(await store.damage(store.nodes[0] as never, place?.blobId ?? "")).toBe(true);
  // Until chance has picked the damaged one.
  await eventually("the damage is found", async () => {
    expect((await store.get(bucket, "key")).body.equals(body)).toBe(true);
    return (await store.queues()).repairs === 1n;
  });
  const copies = (await store.places(bucket, "key")).flatMap((blob) => blob.copies);
  expect(copies.filter((copy) => copy.state === CopyState.BAD)).toHaveLength(1);
});

test("a reader that leaves lets go of everything", async () => {
  await store.put(bucket, "key", randomBytes(9_000_000));
  for await (const { part } of store.object.getObject({ bucket, key: "key" }, newCall())) {
    if (part.case === "chunk") break;
  }
  await eventually("the node's stream is closed", () =>
    store.nodes.every((node) => node.faults.openStreams === 0),
  );
});

test("a long read holds a lease, and ends it", async () => {
  await store.close();
  store = await TestStore.open(folder, openers, { ...config, read: { ...config.read, deleteGraceMs: 100 } });
  await store.put(bucket, "key", randomBytes(9_000_000));
  const reading = store.object.getObject({ bucket, key: "key" }, newCall())[Symbol.asyncIterator]();
  await reading.next();
  await eventually("the lease is held", () => store.metadataFaults.sent.includes("holdLease"));
  await reading.return?.();
  await eventually("the lease is ended", () => store.metadataFaults.sent.includes("endLease"));
});

test("what is not there is said", async () => {
  await expect(store.get(bucket, "none")).rejects.toEqual(reason("NO_SUCH_KEY_IN_BUCKET"));
  await expect(
    store.get({ bucketId: bucket.bucketId.replace(/.$/, "0"), configVersion: 1n }, "k"),
  ).rejects.toEqual(expect.objectContaining({ reason: expect.stringMatching(/^NO_SUCH_/) }));
});
