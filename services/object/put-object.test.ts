import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CopyState } from "../../gen/cairn/metadata/v1/metadata_pb";
import { ChecksumAlgorithm } from "../../gen/cairn/object/v1/object_pb";
import { CairnError } from "../common/errors/cairn-error";
import { newCall } from "../common/rpc/call";
import { realOpeners } from "./testing/openers";
import { type Bucket, eventually, quickConfig, TestStore } from "./testing/test-store";

const openers = realOpeners();

let folder: string;
let store: TestStore;
let bucket: Bucket;

async function reopen(config = quickConfig, nodes = 3): Promise<void> {
  await store?.close();
  await rm(folder, { recursive: true, force: true });
  folder = await mkdtemp(join(tmpdir(), "cairn-object-"));
  store = await TestStore.open(folder, openers, config, nodes);
  bucket = await store.createBucket();
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cairn-object-"));
  store = await TestStore.open(folder, openers);
  bucket = await store.createBucket();
});

afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const md5 = (body: Uint8Array) => createHash("md5").update(body).digest("hex");
const reason = (name: string) => expect.objectContaining({ reason: name });
const goodCopies = async (key: string) =>
  (await store.places(bucket, key)).map(
    (blob) => blob.copies.filter((copy) => copy.state === CopyState.GOOD).length,
  );

test("what was put is read back, from three nodes, with its MD5 as ETag", async () => {
  const body = randomBytes(300_000);
  const info = await store.put(bucket, "key", body);
  expect(info).toMatchObject({ key: "key", sizeBytes: 300_000n, etag: md5(body) });
  expect((await store.get(bucket, "key")).body.equals(body)).toBe(true);
  expect(await goodCopies("key")).toEqual([3]);
  expect(await store.queues()).toMatchObject({ repairs: 0n });
});

test("an empty body needs no blob", async () => {
  const info = await store.put(bucket, "empty", Buffer.alloc(0));
  expect(info.etag).toBe("d41d8cd98f00b204e9800998ecf8427e");
  expect((await store.get(bucket, "empty")).body).toHaveLength(0);
  expect(await store.places(bucket, "empty")).toEqual([]);
});

test("requested checksums are computed and kept", async () => {
  const info = await store.put(bucket, "key", Buffer.from("123456789"), {
    algorithms: [ChecksumAlgorithm.CRC64NVME, ChecksumAlgorithm.SHA256],
  });
  expect(Buffer.from(info.checksums?.crc64nvme ?? []).toString("hex")).toBe("ae8b14860a799888");
  const { header } = await store.get(bucket, "key");
  expect(header.info?.checksums?.sha256).toEqual(info.checksums?.sha256);
});

test.each([
  ["a wrong MD5", { sizeBytes: 5n, checksums: { md5: new Uint8Array(16) } }, "CHECKSUM_MISMATCH"],
  ["a wrong size", { sizeBytes: 6n }, "SIZE_MISMATCH"],
])("%s is refused and nothing is visible", async (_, finish, expected) => {
  await expect(store.put(bucket, "key", Buffer.from("hello"), { finish })).rejects.toEqual(reason(expected));
  await expect(store.get(bucket, "key")).rejects.toEqual(reason("NO_SUCH_KEY_IN_BUCKET"));
});

test("a stream without finish is an abort and leaves nothing on the nodes", async () => {
  const messages = async function* () {
    yield { part: { case: "header" as const, value: { bucket, key: "key" } } };
    yield { part: { case: "chunk" as const, value: randomBytes(100_000) } };
  };
  await expect(store.object.putObject(messages(), newCall())).rejects.toEqual(reason("CANCELLED"));
  await eventually("all streams are released", () =>
    store.nodes.every((node) => node.faults.openStreams === 0),
  );
  await eventually("no replica is left", async () => (await store.replicas()) === 0);
});

test("a cancelled put releases every stream at once", async () => {
  const controller = new AbortController();
  let sent = () => {};
  const waiting = new Promise<void>((resolve) => {
    sent = resolve;
  });
  const messages = async function* () {
    yield { part: { case: "header" as const, value: { bucket, key: "key" } } };
    yield { part: { case: "chunk" as const, value: randomBytes(100_000) } };
    sent();
    await new Promise(() => {});
  };
  const put = store.object.putObject(messages(), newCall({ signal: controller.signal }));
  await waiting;
  expect(store.nodes.map((node) => node.faults.openStreams)).toEqual([1, 1, 1]);
  controller.abort(new CairnError("CLIENT_GONE"));
  await expect(put).rejects.toEqual(reason("CLIENT_GONE"));
  await eventually("all streams are released", () =>
    store.nodes.every((node) => node.faults.openStreams === 0),
  );
  await eventually("no replica is left", async () => (await store.replicas()) === 0);
});

test.each([
  ["chunk first", [{ case: "chunk", value: new Uint8Array(1) }]],
  ["header twice", ["header", "header"]],
  ["an empty chunk", ["header", { case: "chunk", value: new Uint8Array(0) }]],
  ["a chunk above 1 MiB", ["header", { case: "chunk", value: new Uint8Array(1024 * 1024 + 1) }]],
])("a stream out of order is refused: %s", async (_, parts) => {
  const messages = async function* () {
    for (const part of parts) {
      yield { part: part === "header" ? { case: "header", value: { bucket, key: "key" } } : part } as never;
    }
  };
  await expect(store.object.putObject(messages(), newCall())).rejects.toEqual(reason("INVALID_STREAM"));
});

test("one node down: two copies suffice, and the third is queued for repair", async () => {
  (store.nodes[0] as (typeof store.nodes)[0]).faults.down = true;
  const body = randomBytes(1_000);
  await store.put(bucket, "key", body);
  expect(await goodCopies("key")).toEqual([2]);
  expect(await store.queues()).toMatchObject({ repairs: 1n });
  expect((await store.get(bucket, "key")).body.equals(body)).toBe(true);
});

test("two nodes down: 503, nothing visible, and what was there is still read", async () => {
  await store.put(bucket, "before", Buffer.from("before"));
  for (const node of store.nodes.slice(0, 2)) node.faults.down = true;
  await expect(store.put(bucket, "key", randomBytes(1_000))).rejects.toEqual(reason("NOT_ENOUGH_NODES"));
  await expect(store.get(bucket, "key")).rejects.toEqual(reason("NO_SUCH_KEY_IN_BUCKET"));
  expect((await store.get(bucket, "before")).body.toString()).toBe("before");
});

test("full volumes are 507", async () => {
  for (const node of store.nodes) node.faults.refuseWrites = "VOLUME_FULL";
  await expect(store.put(bucket, "key", randomBytes(1_000))).rejects.toEqual(reason("NO_SPACE"));
});

test("a node that refuses is replaced by the next one", async () => {
  await reopen(quickConfig, 4);
  (store.nodes[0] as (typeof store.nodes)[0]).faults.refuseWrites = "VOLUME_SUSPENDED";
  for (let index = 0; index < 8; index++) await store.put(bucket, `key-${index}`, randomBytes(1_000));
  for (let index = 0; index < 8; index++) expect(await goodCopies(`key-${index}`)).toEqual([3]);
  expect(await store.queues()).toMatchObject({ repairs: 0n });
});

test("a node that dies in the middle of a write is gone without", async () => {
  (store.nodes[1] as (typeof store.nodes)[0]).faults.breakWritesAfterBytes = 2_000_000;
  const body = randomBytes(5_000_000);
  await store.put(bucket, "key", body);
  expect(await goodCopies("key")).toEqual([2]);
  expect((await store.get(bucket, "key")).body.equals(body)).toBe(true);
});

test("a node that stalls is dropped, and the client goes on", async () => {
  (store.nodes[2] as (typeof store.nodes)[0]).faults.stallWritesAfterBytes = 1_000_000;
  const body = randomBytes(30_000_000);
  await store.put(bucket, "key", body);
  expect(await goodCopies("key")).toEqual([2]);
  expect((await store.get(bucket, "key")).body.equals(body)).toBe(true);
  expect(store.nodes[2]?.faults.openStreams).toBe(0);
});

test("two stalled nodes end the write with 503", async () => {
  for (const node of store.nodes.slice(1)) node.faults.stallWritesAfterBytes = 1_000_000;
  await expect(store.put(bucket, "key", randomBytes(8_000_000))).rejects.toEqual(reason("NOT_ENOUGH_NODES"));
});

test("nodes that take nothing stop the sender: memory stays bounded (I7)", async () => {
  for (const node of store.nodes.slice(1)) node.faults.stallWritesAfterBytes = 0;
  let pulled = 0;
  const chunk = randomBytes(512 * 1024);
  const messages = async function* () {
    yield { part: { case: "header" as const, value: { bucket, key: "key" } } };
    for (let index = 0; index < 400; index++) {
      pulled += chunk.length;
      yield { part: { case: "chunk" as const, value: chunk } };
    }
  };
  await expect(store.object.putObject(messages(), newCall())).rejects.toEqual(reason("NOT_ENOUGH_NODES"));
  expect(pulled).toBeLessThan(quickConfig.write.windowBytes + 4 * chunk.length);
});

describe("a body of several blobs", () => {
  const limit = 100_000;
  beforeEach(() => reopen({ ...quickConfig, blobLimitBytes: limit }));

  test.each([
    [limit, 1],
    [limit + 1, 2],
    [3 * limit, 3],
    [3 * limit + 17, 4],
  ])("%i bytes are %i blobs, read back byte for byte", async (size, blobs) => {
    const body = randomBytes(size);
    const info = await store.put(bucket, "key", body, { chunkBytes: 64 * 1024 });
    expect(info).toMatchObject({ sizeBytes: BigInt(size), etag: md5(body) });
    expect(await goodCopies("key")).toEqual(Array(blobs).fill(3));
    expect((await store.get(bucket, "key")).body.equals(body)).toBe(true);
  });

  test("given up in the middle, it leaves no upload and no name", async () => {
    const body = randomBytes(3 * limit);
    const finish = { sizeBytes: 1n };
    await expect(store.put(bucket, "key", body, { finish })).rejects.toEqual(reason("SIZE_MISMATCH"));
    await eventually("the hidden upload is aborted", () => store.metadataFaults.sent.includes("abortUpload"));
    await expect(store.get(bucket, "key")).rejects.toEqual(reason("NO_SUCH_KEY_IN_BUCKET"));
  });

  test("its condition is decided at the end", async () => {
    await store.put(bucket, "key", Buffer.from("first"));
    const conditions = { ifMatch: [], ifNoneMatch: ["*"] } as never;
    const second = store.put(bucket, "key", randomBytes(2 * limit), { conditions });
    await expect(second).rejects.toEqual(reason("PRECONDITION_FAILED"));
    expect((await store.get(bucket, "key")).body.toString()).toBe("first");
  });
});

describe("the commit", () => {
  test("a lost answer is asked again, and the version is there once", async () => {
    store.metadataFaults.loseAnswers = 2;
    const info = await store.put(bucket, "key", Buffer.from("body"));
    expect(store.metadataFaults.sent.filter((kind) => kind === "putVersion")).toHaveLength(3);
    expect((await store.get(bucket, "key")).header.info?.versionId).toBe(info.versionId);
  });

  test("an answer that never comes is 503, and the bytes are left alone", async () => {
    store.metadataFaults.loses = (kind) => kind === "putVersion";
    store.metadataFaults.loseAnswers = 1_000;
    await expect(store.put(bucket, "key", Buffer.from("body"))).rejects.toEqual(reason("OUTCOME_UNKNOWN"));
    expect((await store.get(bucket, "key")).body.toString()).toBe("body");
  });

  test("metadata away is 503 at once", async () => {
    store.metadataFaults.unavailable = true;
    await expect(store.put(bucket, "key", Buffer.from("b"))).rejects.toEqual(reason("METADATA_UNAVAILABLE"));
  });

  test("an old configuration is read afresh and decided again", async () => {
    await store.put({ ...bucket, configVersion: bucket.configVersion + 7n }, "key", Buffer.from("body"));
    expect((await store.get(bucket, "key")).body.toString()).toBe("body");
  });

  test("a bucket that is gone is NO_SUCH_BUCKET", async () => {
    const gone = { bucketId: "01900000-0000-7000-8000-000000000000", configVersion: 1n };
    await expect(store.put(gone, "key", Buffer.from("body"))).rejects.toEqual(reason("NO_SUCH_BUCKET"));
  });

  test("of a hundred racing If-None-Match: * exactly one wins", async () => {
    const conditions = { ifMatch: [], ifNoneMatch: ["*"] } as never;
    const puts = Array.from({ length: 100 }, (_, index) =>
      store.put(bucket, "key", Buffer.from(`writer ${index}`), { conditions }).then(
        () => index,
        (error: CairnError) => error.reason,
      ),
    );
    const results = await Promise.all(puts);
    const winners = results.filter((result) => typeof result === "number");
    expect(winners).toHaveLength(1);
    expect(results.filter((result) => result === "PRECONDITION_FAILED")).toHaveLength(99);
    expect((await store.get(bucket, "key")).body.toString()).toBe(`writer ${winners[0]}`);
  });
});
