import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { newCall } from "../../common/rpc/call";
import { realOpeners } from "../testing/openers";
import { type Bucket, eventually, fileOf, quickConfig, quickWorkers, TestStore } from "../testing/test-store";

const openers = realOpeners();

let folder: string;
let store: TestStore;
let bucket: Bucket;
const config = { ...quickConfig, workers: quickWorkers };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cairn-object-"));
  store = await TestStore.open(folder, openers, config);
  bucket = await store.createBucket();
});

afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

async function goodCopies(key: string): Promise<number> {
  const blobs = await store.places(bucket, key);
  return blobs.flatMap((blob) => blob.copies).filter((copy) => copy.state === CopyState.GOOD).length;
}

async function blobIdOf(key: string): Promise<string> {
  return (await store.places(bucket, key))[0]?.blobId ?? "";
}

async function onlyNode(index: number): Promise<void> {
  for (const [at, node] of store.nodes.entries()) node.faults.down = at !== index;
}

test("a write with one node down has three copies when the node is back", async () => {
  const node = store.nodes[0] as (typeof store.nodes)[0];
  node.faults.down = true;
  const body = randomBytes(2_000_000);
  await store.put(bucket, "key", body);
  expect(await goodCopies("key")).toBe(2);
  node.faults.down = false;
  await eventually("three copies", async () => (await goodCopies("key")) === 3);
  await eventually("the queue is empty", async () => (await store.queues()).repairs === 0n);
  await onlyNode(0);
  expect((await store.get(bucket, "key")).body.equals(body)).toBe(true);
});

test.each(["damaged", "missing"])("a replica that is %s is written anew", async (how) => {
  // Long enough to be a file of its own, which can be damaged or lost alone.
  const body = randomBytes(2_000_000);
  await store.put(bucket, "key", body);
  const blobId = await blobIdOf("key");
  const node = store.nodes[1] as (typeof store.nodes)[0];
  if (how === "damaged") expect(await store.damage(node, blobId)).toBe(true);
  else await rm((await fileOf(node.folder, blobId)) ?? "");
  await eventually("a reader or the walk finds it, and repair mends it", async () => {
    expect((await store.get(bucket, "key")).body.equals(body)).toBe(true);
    return store.metadataFaults.sent.includes("finishRepair") && (await goodCopies("key")) === 3;
  });
  await onlyNode(1);
  await eventually("the mended copy is read", async () =>
    store.get(bucket, "key").then(
      (read) => read.body.equals(body),
      () => false,
    ),
  );
});

test("what was deleted leaves the nodes", async () => {
  for (let index = 0; index < 5; index++) await store.put(bucket, `key-${index}`, randomBytes(1_000));
  const objects = Array.from({ length: 5 }, (_, index) => ({ key: `key-${index}` }));
  await store.object.deleteObjects({ bucket, objects }, newCall());
  await eventually("no replica is left", async () => (await store.replicas()) === 0);
  await eventually("the queue is empty", async () => (await store.queues()).deletes === 0n);
});

test("what was replaced leaves the nodes, and what replaced it stays", async () => {
  await store.put(bucket, "key", randomBytes(1_000));
  await store.put(bucket, "key", Buffer.from("new"));
  await eventually("one blob is left", async () => (await store.replicas()) === 3);
  expect((await store.get(bucket, "key")).body.toString()).toBe("new");
});

test("a refused commit leaves nothing", async () => {
  await store.put(bucket, "key", Buffer.from("first"));
  const conditions = { ifMatch: [], ifNoneMatch: ["*"] } as never;
  const second = store.put(bucket, "key", randomBytes(1_000), { conditions });
  await expect(second).rejects.toEqual(expect.objectContaining({ reason: "PRECONDITION_FAILED" }));
  await eventually("only the first is left", async () => (await store.replicas()) === 3);
});

test("replicas that no commit named are collected as orphans; named ones stay", async () => {
  await store.put(bucket, "kept", Buffer.from("kept"));
  const finish = { sizeBytes: 77n };
  store.metadataFaults.unavailable = true;
  await expect(store.put(bucket, "lost", randomBytes(1_000))).rejects.toEqual(
    expect.objectContaining({ reason: "METADATA_UNAVAILABLE" }),
  );
  await expect(store.put(bucket, "short", randomBytes(1_000), { finish })).rejects.toEqual(
    expect.objectContaining({ reason: "SIZE_MISMATCH" }),
  );
  await eventually("the lost one's replicas lie there", async () => (await store.replicas()) >= 6);
  store.metadataFaults.unavailable = false;
  await eventually("only the named ones are left", async () => (await store.replicas()) === 3);
  expect((await store.get(bucket, "kept")).body.toString()).toBe("kept");
});

test("the wrong database deletes nothing (P7)", async () => {
  await store.put(bucket, "key", randomBytes(1_000));
  await eventually("the volumes follow the history", async () => {
    const { nodes } = await store.object.getCluster({}, newCall());
    return nodes
      .flatMap((node) => node.volumes)
      .every((volume) => volume.deleteHold === "" && volume.blobs === 1n);
  });
  await store.close();
  for (const suffix of ["", "-wal", "-shm"]) await rm(join(folder, `metadata.db${suffix}`), { force: true });
  store = await TestStore.open(folder, openers, config);
  const { nodes } = await store.object.getCluster({}, newCall());
  for (const volume of nodes.flatMap((node) => node.volumes)) expect(volume.deleteHold).not.toBe("");
  bucket = await store.createBucket();
  await store.put(bucket, "other", randomBytes(1_000));
  await store.object.deleteObject({ bucket, key: "other" }, newCall());
  // Several rounds of every worker.
  const rounds = () => store.metadataFaults.sent.filter((kind) => kind === "purge").length;
  const before = rounds();
  await eventually("the workers ran", () => rounds() > before + 20);
  expect(await store.replicas()).toBe(6);
});

test("what lay on a node that stays away is copied to another, and deleted there should it come back", async () => {
  const place = await mkdtemp(join(tmpdir(), "cairn-object-"));
  const four = await TestStore.open(place, openers, config, 4);
  try {
    const own = await four.createBucket();
    const body = randomBytes(300_000);
    for (let index = 0; index < 8; index++) await four.put(own, `key-${index}`, body);
    const away = four.nodes[0] as (typeof four.nodes)[0];
    const replicasOf = async (index: number) => {
      const { nodes } = await four.object.getCluster({}, newCall());
      return Number(nodes[index]?.volumes[0]?.blobs);
    };
    await eventually("a heartbeat told of replicas on it", async () => (await replicasOf(0)) > 0);
    away.faults.down = true;
    await eventually("three good copies elsewhere", async () => {
      const others = await Promise.all([1, 2, 3].map(replicasOf));
      return others.reduce((sum, count) => sum + count, 0) === 24 && (await four.queues()).repairs === 0n;
    });
    away.faults.down = false;
    await eventually("the node is tidied", async () => (await replicasOf(0)) === 0);
    for (let index = 0; index < 8; index++)
      expect((await four.get(own, `key-${index}`)).body.equals(body)).toBe(true);
    await eventually("the queue is empty", async () => (await four.queues()).deletes === 0n);
  } finally {
    await four.close();
    await rm(place, { recursive: true, force: true });
  }
});
