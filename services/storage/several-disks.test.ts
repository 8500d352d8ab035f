import { VolumeState } from "../../gen/cairn/storage/v1/storage_pb";
import { newId } from "../common/ids/uuid";
import { newCall } from "../common/rpc/call";
import { ManualClock } from "../common/time/manual-clock";
import type { StorageConfig } from "./config";
import { type Disk, DiskError } from "./disk";
import { contentOf } from "./engine-suite";
import { type Client, get, openNode, put, settle } from "./node-under-test";
import { SimulatedDisk } from "./simulated-disk";

const folders = ["/node/one", "/node/two"];
const small = contentOf(4_096);

async function volumesOf(client: Client) {
  return (await client.getNode({}, newCall())).volumes;
}

async function idsOf(client: Client): Promise<[string, string]> {
  const [one, two] = await volumesOf(client);
  return [one?.volumeId ?? "", two?.volumeId ?? ""];
}

/** The same disk, where each folder is a file system of its own with so much room. */
function withRoom(disk: SimulatedDisk, freeBytes: Readonly<Record<string, number>>): Disk {
  return new Proxy(disk, {
    get: (target, name) => {
      if (name === "space")
        return async (path: string) => ({ capacityBytes: 1e12, freeBytes: freeBytes[path] });
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Lets so much time pass in steps that workers notice. */
async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 250) {
    clock.advance(250);
    await settle();
  }
}

test("a blob goes to the disk with the most room, as it is by then; a repeated write where the first one went", async () => {
  const disk = new SimulatedDisk();
  const room = { "/node/one": 10_000_000, "/node/two": 20_000_000 };
  const clock = new ManualClock();
  const node = await openNode(withRoom(disk, room), { folders }, clock);
  const [one, two] = await idsOf(node.client);
  const first = newId();
  expect(await put(node.client, first, small)).toBe(two);
  room["/node/two"] = 5_000_000;
  await pass(clock, 1_000);
  expect(await put(node.client, newId(), small)).toBe(one);
  expect(await put(node.client, first, small)).toBe(two);
  // What is written counts before the file system is asked again.
  for (let written = 0; written < 3; written++) await put(node.client, newId(), contentOf(2_000_000));
  expect(await put(node.client, newId(), small)).toBe(two);
  await node.close();
});

test("a disk that fails a write is fenced alone: the other takes the writes, both are read, health and metrics say it", async () => {
  const disk = new SimulatedDisk();
  const node = await openNode(disk, { folders });
  const [one, two] = await idsOf(node.client);
  const kept = newId();
  await put(node.client, kept, small, one);
  disk.fault = ({ name, path }) => {
    if (name === "create" && path.startsWith("/node/one/blobs")) throw new DiskError("EROFS", path);
  };
  await expect(put(node.client, newId(), contentOf(2_000_000), one)).rejects.toMatchObject({
    reason: "VOLUME_FENCED",
  });
  disk.fault = () => {};
  for (let written = 0; written < 5; written++) expect(await put(node.client, newId(), small)).toBe(two);
  expect((await get(node.client, kept, one)).equals(small)).toBe(true);
  expect((await volumesOf(node.client)).map(({ state }) => state)).toEqual([
    VolumeState.FENCED,
    VolumeState.ONLINE,
  ]);
  const health = await node.health();
  expect(health.map(({ ok }) => ok)).toEqual([false, true]);
  expect(health[0]?.detail).toMatch(/^fenced: a write or sync failed: EROFS/);
  expect(await node.metrics.metrics()).toContain(
    `cairn_storage_volume_state{volume="${one}",state="fenced"} 1`,
  );
  await settle();
  await node.close();
  const again = await openNode(disk, { folders });
  expect((await volumesOf(again.client))[0]?.state).toBe(VolumeState.FENCED);
  await again.close();
});

test("a disk that hangs holds its share of calls and nobody else: writes go elsewhere before and after it is suspended", async () => {
  const clock = new ManualClock();
  const disk = new SimulatedDisk();
  const node = await openNode(disk, { folders, suspendAfterMs: 4_000, callsAtOnce: 3 }, clock);
  const [one, two] = await idsOf(node.client);
  // In one folder, which is there already.
  const idAt = (index: number) => `00000000-0000-7000-8000-00000000000${index}`;
  await put(node.client, idAt(9), contentOf(2_000_000), one);
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let hanging = 0;
  disk.fault = ({ path }) => {
    if (!path.startsWith("/node/one")) return;
    hanging += 1;
    return held;
  };
  const late = Array.from({ length: 8 }, (_, index) =>
    put(node.client, idAt(index), contentOf(2_000_000), one),
  );
  await settle();
  expect(hanging).toBe(3);
  await pass(clock, 1_250);
  expect((await volumesOf(node.client))[0]?.state).toBe(VolumeState.ONLINE);
  expect(await put(node.client, newId(), small)).toBe(two);
  await pass(clock, 4_000);
  expect((await volumesOf(node.client)).map(({ state }) => state)).toEqual([
    VolumeState.SUSPENDED,
    VolumeState.ONLINE,
  ]);
  expect(await put(node.client, newId(), small)).toBe(two);
  expect(await node.metrics.metrics()).toContain(`cairn_storage_suspensions_total{volume="${one}"} 1`);
  disk.fault = () => {};
  release();
  // What waited to read was told at once, so that its caller could go elsewhere; a late success is a success.
  for (const outcome of await Promise.allSettled(late)) {
    if (outcome.status === "fulfilled") expect(outcome.value).toBe(one);
    else expect(outcome.reason).toMatchObject({ reason: "VOLUME_SUSPENDED" });
  }
  await pass(clock, 1_000);
  expect((await volumesOf(node.client))[0]?.state).toBe(VolumeState.ONLINE);
  await node.close();
});

describe("what a disk did before a restart counts after it", () => {
  async function hang(disk: SimulatedDisk, config: Partial<StorageConfig>): Promise<VolumeState | undefined> {
    const clock = new ManualClock();
    const node = await openNode(disk, { suspendAfterMs: 1_000, ...config }, clock);
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    disk.fault = ({ name }) => (name === "write" ? held : undefined);
    const writing = put(node.client, newId(), small).catch(() => "fenced meanwhile");
    await settle();
    await pass(clock, 1_500);
    disk.fault = () => {};
    release();
    await writing;
    await pass(clock, 500);
    const [volume] = await volumesOf(node.client);
    await node.close();
    return volume?.state;
  }

  test("suspensions", async () => {
    const disk = new SimulatedDisk();
    expect(await hang(disk, { suspensionsToFence: 2 })).toBe(VolumeState.ONLINE);
    expect(await hang(disk, { suspensionsToFence: 2 })).toBe(VolumeState.FENCED);
  });

  test("blobs that could not be read", async () => {
    const disk = new SimulatedDisk();
    const blobIds = [newId(), newId()];
    for (const [index, blobId] of blobIds.entries()) {
      const node = await openNode(disk, { damagesToFence: 2 });
      let volumeId = "";
      for (const id of blobIds) if (index === 0) volumeId = await put(node.client, id, small);
      volumeId ||= (await volumesOf(node.client))[0]?.volumeId ?? "";
      disk.fault = ({ name }) => {
        if (name === "read") throw new DiskError("EIO", name);
      };
      // Again and again the same one counts once.
      for (let time = 0; time < 3; time++)
        await expect(get(node.client, blobId, volumeId)).rejects.toMatchObject({ reason: "DAMAGED_BLOB" });
      disk.fault = () => {};
      await settle();
      expect((await volumesOf(node.client))[0]?.state).toBe(
        index === 0 ? VolumeState.ONLINE : VolumeState.FENCED,
      );
      await node.close();
    }
  });
});

describe("a disk that fails at the start", () => {
  const failing = ({ path }: { path: string }) => {
    if (path.startsWith("/node/one/")) throw new DiskError("EIO", path);
  };

  test("is gone on without, named in health and metrics; alone, it keeps the node from starting", async () => {
    const disk = new SimulatedDisk();
    const before = await openNode(disk, { folders });
    const [, two] = await idsOf(before.client);
    const blobId = newId();
    await put(before.client, blobId, small, two);
    await before.close();
    disk.fault = failing;
    const node = await openNode(disk, { folders });
    expect(node.nodeId).toBe(before.nodeId);
    expect((await volumesOf(node.client)).map(({ volumeId }) => volumeId)).toEqual([two]);
    expect((await get(node.client, blobId, two)).equals(small)).toBe(true);
    const lost = (await node.health()).filter(({ ok }) => !ok);
    expect(lost).toHaveLength(1);
    expect(lost[0]).toMatchObject({ name: "volume /node/one" });
    expect(lost[0]?.detail).toMatch(/lost at the start: .*EIO/);
    expect(await node.metrics.metrics()).toContain('cairn_storage_lost_folder{folder="/node/one"} 1');
    await node.close();
    await expect(openNode(disk, { folders: ["/node/one"] })).rejects.toThrow("the disk says EIO");
    disk.fault = () => {};
    const healed = await openNode(disk, { folders });
    expect(await volumesOf(healed.client)).toHaveLength(2);
    await healed.close();
  });

  test.each(["/node/one", "/node/one/segments"])("one that hangs at %s is given up too", async (where) => {
    const disk = new SimulatedDisk();
    await (await openNode(disk, { folders })).close();
    const clock = new ManualClock();
    disk.fault = ({ path }) => (path.startsWith(where) ? new Promise(() => {}) : undefined);
    const opening = openNode(disk, { folders, suspendAfterMs: 1_000 }, clock);
    await settle();
    await pass(clock, 5_000);
    const node = await opening;
    expect(await volumesOf(node.client)).toHaveLength(1);
    await put(node.client, newId(), small);
    disk.fault = () => {};
    await node.close();
  });
});
