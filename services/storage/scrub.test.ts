import { newId } from "../common/ids/uuid";
import { newCall } from "../common/rpc/call";
import { ManualClock } from "../common/time/manual-clock";
import { DiskError } from "./disk";
import { contentOf } from "./engine-suite";
import { type Client, openNode, put, settle } from "./node-under-test";
import { placeOf } from "./segments-under-test";
import { SimulatedDisk } from "./simulated-disk";

const sizes = [10, 4_096, 2_000_000, 70_000, 1_500_000, 300];

type Seen = { blobs: Map<string, string>; throughBlobId: string; endOfVolume: boolean };

async function scrub(
  client: Client,
  volumeId: string,
  handledThroughBlobId: string,
  limits: { maxBytes?: bigint; maxBlobs?: number; bytesPerSecond?: bigint } = {},
): Promise<Seen> {
  const seen: Seen = { blobs: new Map(), throughBlobId: "", endOfVolume: false };
  const request = {
    volumeId,
    handledThroughBlobId,
    maxBytes: 1n << 40n,
    maxBlobs: 10_000,
    bytesPerSecond: 0n,
    ...limits,
  };
  let ended = false;
  for await (const { part } of client.scrubRange(request, newCall())) {
    if (part.case === "blobs")
      for (const blob of part.value.blobs) seen.blobs.set(blob.blobId, blob.damaged ? blob.detail : "");
    if (part.case === "range") {
      ended = true;
      Object.assign(seen, part.value);
    }
  }
  expect(ended).toBe(true);
  return seen;
}

async function nodeWithBlobs(disk: SimulatedDisk) {
  const node = await openNode(disk);
  const blobIds: string[] = [];
  let volumeId = "";
  for (const [index, sizeBytes] of sizes.entries()) {
    const blobId = newId();
    blobIds.push(blobId);
    volumeId = await put(node.client, blobId, contentOf(sizeBytes, index + 1));
  }
  return { node, volumeId, blobIds: blobIds.sort() };
}

test("a walk names every blob once, in ranges of the asked size, and begins again at the end", async () => {
  const { node, volumeId, blobIds } = await nodeWithBlobs(new SimulatedDisk());
  for (let pass = 0; pass < 2; pass++) {
    const named: string[] = [];
    let handled = pass === 0 ? "" : "ffffffff-ffff-ffff-ffff-ffffffffffff";
    for (let end = false; !end; ) {
      const range = await scrub(node.client, volumeId, handled, { maxBlobs: 2 });
      expect(range.blobs.size).toBeLessThanOrEqual(2);
      named.push(...range.blobs.keys());
      handled = range.throughBlobId;
      end = range.endOfVolume;
    }
    expect(named).toEqual(blobIds);
  }
  await node.close();
});

test("damage of a record, of a file and of the medium is told, and what follows is read", async () => {
  const disk = new SimulatedDisk();
  const { node, volumeId, blobIds } = await nodeWithBlobs(disk);
  const [record, small, file] = blobIds as [string, string, string];
  for (const name of await disk.list("/node/one/segments"))
    disk.corrupt(`/node/one/segments/${name}`, (data) => {
      const place = placeOf(data, record);
      if (place !== undefined) data[place.to - 1] = (data[place.to - 1] as number) ^ 1;
      return data;
    });
  disk.corrupt(`/node/one/blobs/${file.slice(0, 7)}/${file}`, (data) => {
    data[1_000_000] = (data[1_000_000] as number) ^ 1;
    return data;
  });
  let reads = 0;
  disk.fault = ({ name }) => {
    if (name === "read" && ++reads === 2) throw new DiskError("EIO", "bad sector");
  };
  const { blobs } = await scrub(node.client, volumeId, "");
  const damaged = [...blobs].filter(([, detail]) => detail !== "").map(([blobId]) => blobId);
  expect(damaged).toEqual([record, small, file]);
  expect(blobs.size).toBe(sizes.length);
  await node.close();
});

test("what was not said to be handled is read again, after a restart too; what was is not", async () => {
  const disk = new SimulatedDisk();
  const { node, volumeId, blobIds } = await nodeWithBlobs(disk);
  const first = await scrub(node.client, volumeId, "", { maxBlobs: 2 });
  expect([...first.blobs.keys()]).toEqual(blobIds.slice(0, 2));
  const again = await scrub(node.client, volumeId, "", { maxBlobs: 2 });
  expect([...again.blobs.keys()]).toEqual(blobIds.slice(0, 2));
  const second = await scrub(node.client, volumeId, again.throughBlobId, { maxBlobs: 2 });
  expect([...second.blobs.keys()]).toEqual(blobIds.slice(2, 4));
  disk.crash();
  const restarted = await openNode(disk);
  const after = await scrub(restarted.client, volumeId, second.throughBlobId, { maxBlobs: 2 });
  expect([...after.blobs.keys()]).toEqual(blobIds.slice(2, 4));
  const [status] = (await restarted.client.getNode({}, newCall())).volumes;
  expect(status?.scrub).toMatchObject({ handledThroughBlobId: blobIds[1], passBlobs: 2n });
  await restarted.close();
});

test("a large blob is read at the asked rate", async () => {
  const clock = new ManualClock();
  const node = await openNode(new SimulatedDisk(), {}, clock);
  const volumeId = await put(node.client, newId(), contentOf(4_000_000));
  let done = false;
  const scrubbing = scrub(node.client, volumeId, "", { bytesPerSecond: 1_000_000n }).then(() => {
    done = true;
  });
  let tookMs = 0;
  for (; !done && tookMs < 60_000; tookMs += 100) {
    clock.advance(100);
    await settle();
  }
  await scrubbing;
  expect(tookMs).toBeGreaterThanOrEqual(3_900);
  expect(tookMs).toBeLessThan(6_000);
  await node.close();
});
