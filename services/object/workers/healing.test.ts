import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { newCall } from "../../common/rpc/call";
import { systemClock } from "../../common/time/clock";
import { placementOrder } from "../rendezvous";
import { realOpeners } from "../testing/openers";
import { type Bucket, eventually, quickConfig, quickWorkers, TestStore } from "../testing/test-store";

/** Nodes 0 and 3 are in one zone, 1 and 4, 2 and 5. */
const zoneOf = (folder: string) => `zone-${Number(basename(folder).slice("node-".length)) % 3}`;

const openersWith = (zones: boolean) =>
  realOpeners({ deleteGraceMs: 0, rebalanceDelayMs: 100 }, zones ? zoneOf : () => "");

// Nothing else may find what these tests expect a walk to find.
const workers = {
  ...quickWorkers,
  orphans: { ...quickWorkers.orphans, graceMs: 60_000, idleMs: 60_000 },
  lost: { ...quickWorkers.lost, graceMs: 60_000 },
};
const config = {
  ...quickConfig,
  heartbeat: { ...quickConfig.heartbeat, registryEveryMs: 100 },
  workers,
};

let folder: string;
let store: TestStore;
let bucket: Bucket;
const body = randomBytes(20_000);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cairn-healing-"));
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

async function openWith(nodes: number, zones = false): Promise<void> {
  store = await TestStore.open(folder, openersWith(zones), config, nodes);
}

async function putKeys(count: number): Promise<string[]> {
  bucket = await store.createBucket();
  const keys = Array.from({ length: count }, (_, index) => `key-${index}`);
  for (const key of keys) await store.put(bucket, key, body);
  return keys;
}

const cluster = async () => (await store.object.getCluster({}, newCall())).nodes;
const volumeOf = async (index: number) => (await cluster())[index]?.volumes[0]?.volumeId ?? "";
const walks = async (kind: string) =>
  (await store.object.getHealing({}, newCall())).walks.filter((walk) => walk.kind === kind);
const emptied = async () =>
  (await walks("drain")).every((walk) => !walk.running && walk.finishedAtMs > 0n && walk.checked === 0n);

/** The volumes of each key's good copies. */
async function goodVolumes(key: string): Promise<string[]> {
  const [blob] = await store.places(bucket, key);
  return (blob?.copies ?? [])
    .filter((copy) => copy.state === CopyState.GOOD)
    .map((copy) => copy.volumeId)
    .sort();
}

async function readAll(keys: readonly string[]): Promise<void> {
  for (const key of keys) expect((await store.get(bucket, key)).body.equals(body)).toBe(true);
}

test("a drained node takes no new blobs, is emptied while the store restarts, and is removed then, not before", async () => {
  await openWith(4);
  const keys = await putKeys(12);
  const volumeId = await volumeOf(0);
  const nodeId = (await cluster())[0]?.nodeId ?? "";
  const there = (await Promise.all(keys.map(goodVolumes))).filter((held) => held.includes(volumeId)).length;
  expect(there).toBeGreaterThan(0);
  await expect(store.object.remove({ id: nodeId }, newCall())).rejects.toMatchObject({
    reason: "VOLUME_NOT_EMPTY",
    params: { copies: String(there) },
  });
  await store.object.drain({ id: nodeId }, newCall());
  await store.close();
  await openWith(4);
  await store.put(bucket, "new", body);
  expect(await goodVolumes("new")).not.toContain(volumeId);
  await eventually("the drain is through", emptied);
  for (const key of keys) {
    const held = await goodVolumes(key);
    expect(held).toHaveLength(3);
    expect(held).not.toContain(volumeId);
  }
  await eventually("the node's replicas are deleted", async () => (await store.replicas()) === 13 * 3);
  await store.object.remove({ id: nodeId }, newCall());
  expect((await cluster())[0]?.volumes[0]).toMatchObject({ removed: true });
  await expect(store.object.drain({ id: nodeId }, newCall())).rejects.toMatchObject({
    reason: "NO_SUCH_VOLUME",
  });
  await readAll([...keys, "new"]);
});

test("a drain that has nowhere to go gives nothing up, and is taken back", async () => {
  await openWith(3);
  const keys = await putKeys(3);
  await store.object.drain({ id: await volumeOf(0) }, newCall());
  await eventually("the walk says what waits", async () =>
    (await walks("drain")).some((w) => w.waiting >= 3n),
  );
  for (const key of keys) expect(await goodVolumes(key)).toHaveLength(3);
  await store.object.drain({ id: await volumeOf(0), cancel: true }, newCall());
  expect(await walks("drain")).toEqual([]);
  await readAll(keys);
});

test("a node that joins gets exactly the copies that placement wants on it", async () => {
  await openWith(3);
  const keys = await putKeys(16);
  await store.close();
  await openWith(5);
  const wanted = new Map<string, string[]>();
  const volumes = (await cluster()).map(({ nodeId, zone, volumes: [volume] }) => ({
    volumeId: volume?.volumeId ?? "",
    nodeId,
    zone,
    weight: Number(volume?.capacityBytes ?? 0n),
  }));
  for (const key of keys) {
    const blobId = (await store.places(bucket, key))[0]?.blobId ?? "";
    const top = placementOrder(blobId, volumes, 3).slice(0, 3);
    wanted.set(key, top.map((volume) => volume.volumeId).sort());
  }
  await eventually("every blob lies where it should", async () => {
    for (const key of keys)
      if (JSON.stringify(await goodVolumes(key)) !== JSON.stringify(wanted.get(key))) return false;
    return true;
  });
  await eventually("what was left behind is deleted", async () => (await store.replicas()) === 16 * 3);
  await readAll(keys);
});

test("a volume that is lost is forgotten at an operator's word, and what it held has three copies again", async () => {
  await openWith(4);
  const keys = await putKeys(8);
  const volumeId = await volumeOf(1);
  await expect(store.object.remove({ id: volumeId, lost: true }, newCall())).rejects.toMatchObject({
    reason: "VOLUME_ALIVE",
  });
  const node = store.nodes[1] as (typeof store.nodes)[0];
  node.faults.down = true;
  await eventually("it is seen dead", async () => (await cluster())[1]?.alive === false);
  await store.object.remove({ id: volumeId, lost: true }, newCall());
  await eventually("three copies elsewhere", async () => {
    const held = await Promise.all(keys.map(goodVolumes));
    return held.every((volumeIds) => volumeIds.length === 3 && !volumeIds.includes(volumeId));
  });
  node.faults.down = false;
  await eventually("it answers again", async () => (await cluster())[1]?.alive === true);
  await store.put(bucket, "new", body);
  expect(await goodVolumes("new")).not.toContain(volumeId);
  await readAll(keys);
});

test("a scrub finds a damaged replica that nobody reads, and it is mended from a sound one", async () => {
  await openWith(3);
  bucket = await store.createBucket();
  // Long enough for a file of its own.
  const long = randomBytes(2_000_000);
  await store.put(bucket, "key", long);
  const blobId = (await store.places(bucket, "key"))[0]?.blobId ?? "";
  const node = store.nodes[2] as (typeof store.nodes)[0];
  const volumeId = await volumeOf(2);
  expect(await store.damage(node, blobId)).toBe(true);
  const sound = () =>
    node.storage.verifyBlob({ blobId, volumeId }, newCall()).then(
      () => true,
      () => false,
    );
  expect(await sound()).toBe(false);
  const { findings } = await store.object.verifyVolume({ volumeId, deep: true, limit: 100 }, newCall());
  expect(findings).toMatchObject([{ blobId, what: "damaged", done: "nothing" }]);
  await store.object.scrub({ id: volumeId }, newCall());
  await eventually("it is mended", sound);
  await eventually("the repair is done", async () => (await store.queues()).repairs === 0n);
  const after = await store.object.verifyVolume({ volumeId, deep: true, limit: 100 }, newCall());
  expect(after).toMatchObject({ checked: 1n, findings: [], more: false });
  expect((await walks("scrub")).find((walk) => walk.volumeId === volumeId)).toMatchObject({ checked: 1n });
});

test("three copies lie in three zones; a lost zone loses no write and no read, and comes back whole", async () => {
  await openWith(6, true);
  const keys = await putKeys(10);
  const zones = new Map((await cluster()).map(({ zone, volumes: [volume] }) => [volume?.volumeId, zone]));
  const apart = async (names: readonly string[]) => {
    for (const key of names)
      if (new Set((await goodVolumes(key)).map((volumeId) => zones.get(volumeId))).size < 3) return false;
    return true;
  };
  expect(await apart(keys)).toBe(true);
  for (const index of [0, 3]) (store.nodes[index] as (typeof store.nodes)[0]).faults.down = true;
  for (let index = 0; index < 5; index++) {
    await store.put(bucket, `during-${index}`, body);
    keys.push(`during-${index}`);
  }
  await readAll(keys);
  for (const index of [0, 3]) (store.nodes[index] as (typeof store.nodes)[0]).faults.down = false;
  await eventually("the zone is alive", async () => (await cluster()).every((node) => node.alive));
  await eventually("nothing waits for repair", async () => (await store.queues()).repairs === 0n);
  await store.object.rebalance({}, newCall());
  await eventually("three zones again", () => apart(keys));
  await readAll(keys);
});

test("nodes are replaced one after the other under load, and nothing is lost", async () => {
  await openWith(6);
  const keys = await putKeys(10);
  const written = [...keys];
  let stop = false;
  const load = (async () => {
    for (let index = 0; !stop; index++) {
      const key = `load-${index}`;
      await store.put(bucket, key, body);
      written.push(key);
      expect((await store.get(bucket, written[index % written.length] ?? "")).body.equals(body)).toBe(true);
      await systemClock.sleep(10);
    }
  })();
  const ids = (await cluster()).map((node) => node.nodeId);
  for (const index of [0, 1, 2]) {
    await store.object.drain({ id: ids[index] ?? "" }, newCall());
    await eventually("it is empty", emptied);
    await store.object.remove({ id: ids[index] ?? "" }, newCall());
    (store.nodes[index] as (typeof store.nodes)[0]).faults.down = true;
  }
  stop = true;
  await load;
  await readAll(written);
  for (const key of written) expect((await goodVolumes(key)).length).toBeGreaterThanOrEqual(2);
}, 120_000);
