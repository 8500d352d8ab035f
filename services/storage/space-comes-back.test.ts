import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newId } from "../common/ids/uuid";
import { newCall } from "../common/rpc/call";
import { ManualClock } from "../common/time/manual-clock";
import type { Disk } from "./disk";
import { contentOf, summaryOf } from "./engine-suite";
import { nodeDisk } from "./node-disk";
import { type Client, get, openNode, put, settle } from "./node-under-test";
import { SimulatedDisk } from "./simulated-disk";

const MiB = 1024 * 1024;
const sizes = [700, 4_096, 65_536, 200_000, 1.5 * MiB, 30_000, 500_000, 2.2 * MiB];
const at = {
  clusterId: "c",
  historyId: "h",
  changeNumber: 1n,
  changeCommandId: "1",
  markNumber: 0n,
  markCommandId: "",
};

type Kept = { readonly blobId: string; readonly content: Buffer };

/** A download that takes a piece now and then. */
type Slow = { readonly kept: Kept; readonly chunks: AsyncIterator<Uint8Array>; readonly got: Uint8Array[] };

/**
 * Writes and deletes until ten times the disk's size has been written, half of it living at any time and slow downloads
 * under way, whose blobs are deleted meanwhile.
 */
async function fillTenTimes(disk: Disk, folder: string, capacityBytes: number): Promise<void> {
  const clock = new ManualClock();
  const config = { folders: [folder], reserveBytes: 3 * MiB, segmentBytes: MiB, compactionBytesPerSecond: 0 };
  const node = await openNode(disk, config, clock);
  const { client } = node;
  const volumeId = (await client.getNode({}, newCall())).volumes[0]?.volumeId ?? "";
  await client.followHistory({ volumeId, position: at }, newCall());
  const kept: Kept[] = [];
  let keptBytes = 0;
  let writtenBytes = 0;
  let waits = 0;
  let downloads = 0;
  let slow: Slow | undefined;
  const deleteOldest = async () => {
    const gone = kept.splice(0, 12);
    for (const { content } of gone) keptBytes -= content.length;
    const blobIds = gone.map(({ blobId }) => blobId);
    await client.deleteBlobs({ volumeId, blobIds, confirmed: at, current: at }, newCall());
    return gone;
  };
  for (let round = 0; writtenBytes < 10 * capacityBytes; round++) {
    const content = contentOf(sizes[round % sizes.length] as number, (round % 250) + 1);
    const blobId = newId();
    try {
      await put(client, blobId, content);
    } catch (error) {
      expect(error).toMatchObject({ reason: "VOLUME_FULL" });
      waits += 1;
      await deleteOldest();
      await roomFor(client, clock, content.length);
      continue;
    }
    kept.push({ blobId, content });
    keptBytes += content.length;
    writtenBytes += content.length;
    if (slow === undefined && content.length > 2 * MiB)
      slow = await begin(client, volumeId, kept.at(-1) as Kept);
    if (keptBytes > capacityBytes / 2) await deleteOldest();
    if (slow !== undefined && !kept.includes(slow.kept)) {
      await end(slow);
      slow = undefined;
      downloads += 1;
    }
    clock.advance(10);
    await settle();
  }
  if (slow !== undefined) await end(slow);
  expect((await client.getNode({}, newCall())).volumes[0]?.blobs).toBe(BigInt(kept.length));
  for (const { blobId, content } of kept)
    expect((await get(client, blobId, volumeId)).equals(content)).toBe(true);
  await node.close();
  expect(downloads).toBeGreaterThan(5);
  expect(waits).toBeGreaterThan(0);
}

/** Lets time pass until there is room: compaction and the look at the disk are woken by it. */
async function roomFor(client: Client, clock: ManualClock, bytes: number): Promise<void> {
  for (let second = 0; second < 600; second++) {
    clock.advance(1_000);
    await settle();
    const [volume] = (await client.getNode({}, newCall())).volumes;
    if (volume !== undefined && volume.stateDetail === "" && volume.freeBytes > BigInt(bytes)) return;
    // A real disk takes real time.
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error("no room has come back in ten minutes");
}

async function begin(client: Client, volumeId: string, kept: Kept): Promise<Slow> {
  const messages = client.readBlob({ blobId: kept.blobId, volumeId }, newCall());
  const chunks = (async function* () {
    for await (const { part } of messages) if (part.case === "chunk") yield part.value;
  })();
  const first = await chunks.next();
  return { kept, chunks, got: first.done ? [] : [first.value] };
}

async function end({ kept, chunks, got }: Slow): Promise<void> {
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) got.push(next.value);
  expect(Buffer.concat(got).equals(kept.content)).toBe(true);
}

test("ten times a disk of 16 MiB is written and deleted, half of it living, slow downloads under way", async () => {
  const capacityBytes = 16 * MiB;
  const disk = new SimulatedDisk({ capacityBytes });
  await fillTenTimes(disk, "/node/one", capacityBytes);
  // What dead bytes may stay: 30 % of the segments and the one that is written to.
  let used = 0;
  for (const path of disk.paths()) used += disk.sizeOfPath(path);
  expect(used).toBeLessThan((capacityBytes / 2 + 3 * MiB) / 0.7);
}, 120_000);

const mounts = canMount();
(mounts ? test : test.skip)(
  "the same on a real file system of 64 MiB, filled to the brim",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "cairn-space-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64m", "cairn-test", folder]);
    try {
      await fillTenTimes(nodeDisk, join(folder, "node"), 64 * MiB);
    } finally {
      execFileSync("umount", [folder]);
      rmSync(folder, { recursive: true });
    }
  },
  240_000,
);

function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), "cairn-mount-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "cairn-test", folder], { stdio: "ignore" });
    execFileSync("umount", [folder]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Fills a volume, deletes every third blob, and waits for room to write again. */
async function fillAndThin(segmentDeadShare: number): Promise<void> {
  const clock = new ManualClock();
  const disk = new SimulatedDisk({ capacityBytes: 12 * MiB });
  const config = { reserveBytes: 2 * MiB, segmentBytes: MiB, compactionBytesPerSecond: 0, segmentDeadShare };
  const node = await openNode(disk, config, clock);
  const { client } = node;
  const volumeId = (await client.getNode({}, newCall())).volumes[0]?.volumeId ?? "";
  await client.followHistory({ volumeId, position: at }, newCall());
  const content = contentOf(100_000);
  const blobIds: string[] = [];
  const fill = async () => {
    for (;;) {
      const blobId = newId();
      await put(client, blobId, content);
      blobIds.push(blobId);
    }
  };
  await expect(fill()).rejects.toMatchObject({ reason: "VOLUME_FULL" });
  expect(blobIds.length).toBeGreaterThan(90);
  // Every third, so that each segment keeps two thirds: only compaction, in the reserve, gives anything back.
  const gone = blobIds.filter((_, index) => index % 3 === 0);
  await client.deleteBlobs({ volumeId, blobIds: gone, confirmed: at, current: at }, newCall());
  try {
    await roomFor(client, clock, 20 * content.length);
    for (let written = 0; written < 20; written++) await put(client, newId(), content);
    for (const [index, blobId] of blobIds.entries())
      if (index % 3 !== 0) expect((await get(client, blobId, volumeId)).equals(content)).toBe(true);
  } finally {
    await node.close();
  }
}

test("a volume that is full of what lives takes no write, and takes them again when something is deleted", () =>
  fillAndThin(0.3));

test("control: without compaction no room comes back", async () => {
  await expect(fillAndThin(0.9)).rejects.toThrow("no room has come back");
});

test("compaction that waits for its rate, or whose disk is slow to read, holds up no write and no delete", async () => {
  const clock = new ManualClock();
  const disk = new SimulatedDisk();
  // A byte a second: it waits for ever behind its first record.
  const node = await openNode(disk, { segmentBytes: 100_000, compactionBytesPerSecond: 1 }, clock);
  const { client } = node;
  const volumeId = (await client.getNode({}, newCall())).volumes[0]?.volumeId ?? "";
  await client.followHistory({ volumeId, position: at }, newCall());
  const content = contentOf(20_000);
  const blobIds = Array.from({ length: 12 }, newId);
  for (const blobId of blobIds) await put(client, blobId, content);
  const segments = () => disk.paths().filter((path) => path.includes("/segments/")).length;
  let reads = 0;
  disk.fault = ({ name }) => void (name === "read" ? reads++ : 0);
  const gone = blobIds.filter((_, index) => index % 2 === 0);
  await client.deleteBlobs({ volumeId, blobIds: gone, confirmed: at, current: at }, newCall());
  clock.advance(5_000);
  await settle();
  expect(reads).toBeGreaterThan(0);
  const before = segments();
  for (let written = 0; written < 20; written++) {
    const blobId = newId();
    const { crc32c } = summaryOf(content);
    await client.writeSmallBlob({ blobId, volumeId, content, crc32c }, newCall());
    await client.deleteBlobs({ volumeId, blobIds: [blobId], confirmed: at, current: at }, newCall());
  }
  // Nothing was compacted meanwhile: the writes did not wait for it to end.
  expect(segments()).toBeGreaterThan(before);
  await node.close();
});
