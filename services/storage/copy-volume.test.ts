import { newId } from "../common/ids/uuid";
import { newCall } from "../common/rpc/call";
import { copyVolume } from "./copy-volume";
import { type Disk, DiskError } from "./disk";
import { contentOf } from "./engine-suite";
import { get, openNode, put, settle } from "./node-under-test";
import { SimulatedDisk } from "./simulated-disk";

const from = "/node/one";
const to = "/new/disk";
const sizes = [0, 700, 4_096, 200_000, 1_500_000, 2_300_000];

async function filled() {
  const disk = new SimulatedDisk();
  const node = await openNode(disk, { segmentBytes: 100_000 });
  const blobs = new Map(sizes.map((sizeBytes, index) => [newId(), contentOf(sizeBytes, index + 1)]));
  let volumeId = "";
  for (const [blobId, content] of blobs) volumeId = await put(node.client, blobId, content);
  await node.close();
  return { disk, blobs, volumeId, nodeId: node.nodeId };
}

type Filled = Awaited<ReturnType<typeof filled>>;

const copy = (disk: Disk, onProgress: (done: number, total: number) => void = () => {}) =>
  copyVolume({ disk, from, to, onProgress });

async function check({ disk, blobs, volumeId, nodeId }: Filled): Promise<void> {
  const node = await openNode(disk, { folders: [to] });
  expect(node.nodeId).toBe(nodeId);
  expect((await node.client.getNode({}, newCall())).volumes[0]).toMatchObject({
    volumeId,
    blobs: BigInt(blobs.size),
  });
  for (const [blobId, content] of blobs)
    expect((await get(node.client, blobId, volumeId)).equals(content)).toBe(true);
  await put(node.client, newId(), contentOf(100));
  await node.close();
  await expect(openNode(disk, { folders: [from] })).rejects.toThrow("another folder has taken its place");
}

test("the volume lives in the new folder with its id and every blob, and no more in the old one", async () => {
  const store = await filled();
  const seen: [number, number][] = [];
  const copied = await copy(store.disk, (done, total) => void seen.push([done, total]));
  expect(copied).toMatchObject({ volumeId: store.volumeId, damaged: [] });
  expect(seen.at(-1)).toEqual([copied.bytes, copied.bytes]);
  await check(store);
  expect(store.disk.openFiles).toBe(0);
});

test("a power cut at any step leaves at most one volume, and the same call goes on to the end", async () => {
  let cuts = 0;
  for (let step = 1; ; step += 3) {
    const store = await filled();
    const { disk } = store;
    disk.cutPowerAt = disk.changes + step;
    const outcome = await copy(disk).then(
      () => "done",
      () => "cut",
    );
    if (outcome === "done") break;
    cuts += 1;
    disk.crash();
    await copy(disk);
    await check(store);
  }
  expect(cuts).toBeGreaterThan(10);
});

test("damage is told with its file, and nothing else is lost by it", async () => {
  const store = await filled();
  const { disk, blobs } = store;
  const ids = [...blobs.keys()];
  const [small, large] = [ids[2], ids[5]] as [string, string];
  const flip = (data: Buffer, at: number) => {
    data[at] = (data[at] as number) ^ 1;
    return data;
  };
  disk.corrupt(`${from}/blobs/${large.slice(0, 7)}/${large}`, (data) => flip(data, 1_000_000));
  const id = Buffer.from(small.replaceAll("-", ""), "hex");
  for (const name of await disk.list(`${from}/segments`))
    disk.corrupt(`${from}/segments/${name}`, (data) => {
      const at = data.indexOf(id);
      return at === -1 ? data : flip(data, at + 500);
    });
  const { damaged, volumeId } = await copy(disk);
  expect(damaged).toHaveLength(2);
  expect(damaged.join()).toContain(large);
  const node = await openNode(disk, { folders: [to] });
  for (const [blobId, content] of blobs) {
    const reading = get(node.client, blobId, volumeId);
    if (blobId === large) await expect(reading).rejects.toMatchObject({ reason: "DAMAGED_BLOB" });
    else if (blobId === small) await expect(reading).rejects.toMatchObject({ reason: "NO_SUCH_BLOB" });
    else expect((await reading).equals(content)).toBe(true);
  }
  await node.close();
});

test("what the old medium cannot give back costs that record, not the rest", async () => {
  const store = await filled();
  const { disk } = store;
  let reads = 0;
  // After volume.json and its copy: the first window of the first segment, and of its pieces the fourth, within the last record.
  disk.fault = ({ name }) => {
    if (name === "read" && [2, 6].includes(reads++)) throw new DiskError("EIO", "read");
  };
  const { damaged } = await copy(disk);
  disk.fault = () => {};
  expect(damaged).toHaveLength(1);
  const node = await openNode(disk, { folders: [to] });
  expect((await node.client.getNode({}, newCall())).volumes[0]?.blobs).toBe(BigInt(sizes.length - 1));
  await node.close();
});

test("a copy that reads back otherwise is never believed", async () => {
  const { disk } = await filled();
  let opened = "";
  disk.fault = ({ name, path }) => {
    if (name === "open" && path.endsWith(".tmp") && opened === "") {
      opened = path;
      disk.corrupt(path, (data) => {
        data[100] = (data[100] as number) ^ 1;
        return data;
      });
    }
  };
  await expect(copy(disk)).rejects.toThrow("reads back otherwise");
  disk.fault = () => {};
  expect(await disk.stat(`${from}/volume.json`)).toBeDefined();
  expect(await disk.stat(`${to}/volume.json`)).toBeUndefined();
});

test("folders in use, foreign folders and fenced volumes are refused, and stay as they were", async () => {
  const { disk } = await filled();
  const node = await openNode(disk);
  await expect(copy(disk)).rejects.toThrow("Stop the store first");
  await node.close();
  await disk.mkdir("/new");
  await disk.mkdir(to);
  await disk.mkdir(`${to}/photos`);
  await expect(copy(disk)).rejects.toThrow("not empty (photos)");
  await disk.rmdir(`${to}/photos`);
  await expect(copyVolume({ disk, from: "/new", to: "/elsewhere", onProgress: () => {} })).rejects.toThrow(
    "is no volume",
  );
  const again = await openNode(disk);
  disk.fault = ({ name, path }) => {
    if (name === "create" && path.includes("/segments/")) throw new DiskError("EIO", path);
  };
  await expect(put(again.client, newId(), contentOf(10))).rejects.toMatchObject({ reason: "VOLUME_FENCED" });
  disk.fault = () => {};
  await settle();
  await again.close();
  await expect(copy(disk)).rejects.toThrow("is fenced");
});
