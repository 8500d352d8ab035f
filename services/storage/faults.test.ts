import { VolumeState } from "../../gen/cairn/storage/v1/storage_pb";
import { newId } from "../common/ids/uuid";
import { newCall } from "../common/rpc/call";
import { ManualClock } from "../common/time/manual-clock";
import { DiskError } from "./disk";
import { contentOf, summaryOf } from "./engine-suite";
import { type Client, get, openNode, put, requestsOf, settle, streamOf } from "./node-under-test";
import { SimulatedDisk } from "./simulated-disk";

const small = contentOf(4_096);
const large = contentOf(3_000_000);

async function status(client: Client) {
  const [volume] = (await client.getNode({}, newCall())).volumes;
  if (volume === undefined) throw new Error("no volume");
  return volume;
}

describe("errors of disks (P9)", () => {
  test.each([
    ["EIO", { name: "write", content: small }],
    ["EROFS", { name: "write", content: small }],
    ["EIO", { name: "syncDirectory", content: large }],
    ["EIO", { name: "datasync", content: large }],
  ] as const)(
    "%s on a sync (%o) fences at once: nothing is acknowledged or tried again, reads go on",
    async (code, failure) => {
      const disk = new SimulatedDisk();
      const node = await openNode(disk);
      const blobId = newId();
      const volumeId = await put(node.client, blobId, small);
      // A record's write is its sync; a large blob's name is synced with its folder.
      const { name: failing, content } = failure;
      disk.fault = ({ name }) => {
        if (name === failing) throw new DiskError(code, name);
      };
      await expect(put(node.client, newId(), content)).rejects.toMatchObject({ reason: "VOLUME_FENCED" });
      disk.fault = () => {};
      await settle();
      await expect(put(node.client, newId(), small)).rejects.toMatchObject({ reason: "VOLUME_FENCED" });
      expect((await status(node.client)).state).toBe(VolumeState.FENCED);
      expect((await get(node.client, blobId, volumeId)).equals(small)).toBe(true);
      await node.close();
    },
  );

  test("a small blob in one message meets the same: EIO fences, ENOSPC fills, and the room comes back", async () => {
    const disk = new SimulatedDisk({ capacityBytes: 10_000_000 });
    const node = await openNode(disk);
    const { crc32c } = summaryOf(small);
    const write = () => node.client.writeSmallBlob({ blobId: newId(), content: small, crc32c }, newCall());
    await write();
    const wrong = node.client.writeSmallBlob(
      { blobId: newId(), content: small, crc32c: crc32c ^ 1 },
      newCall(),
    );
    await expect(wrong).rejects.toMatchObject({ reason: "CHECKSUM_MISMATCH" });
    const free = (await status(node.client)).freeBytes;
    for (const [code, reason, state] of [
      ["ENOSPC", "VOLUME_FULL", VolumeState.FULL],
      ["EIO", "VOLUME_FENCED", VolumeState.FENCED],
    ] as const) {
      disk.fault = ({ name }) => {
        if (name === "write") throw new DiskError(code, name);
      };
      await expect(write()).rejects.toMatchObject({ reason });
      expect((await status(node.client)).state).toBe(state);
      // But for headers of segments: less than one blob.
      expect(Number(free - (await status(node.client)).freeBytes)).toBeLessThan(small.length);
      disk.fault = () => {};
      // Asks the disk itself how much room there is.
      await node.health();
    }
    await node.close();
  });

  test("a fence is remembered by the node's other volume when its own disk takes nothing more", async () => {
    const disk = new SimulatedDisk();
    const folders = ["/node/one", "/node/two"];
    const node = await openNode(disk, { folders });
    const [one] = (await node.client.getNode({}, newCall())).volumes;
    // No write of volume.json comes through on the first disk either.
    disk.fault = ({ name, path }) => {
      if (name === "syncDirectory" && path.startsWith("/node/one")) throw new DiskError("EIO", path);
      if (name === "rename" && path.startsWith("/node/one/volume.json")) throw new DiskError("EIO", path);
    };
    await expect(put(node.client, newId(), small, one?.volumeId)).rejects.toMatchObject({
      reason: "VOLUME_FENCED",
    });
    await settle();
    await node.close();
    disk.fault = () => {};
    const again = await openNode(disk, { folders });
    const volumes = (await again.client.getNode({}, newCall())).volumes;
    expect(volumes.map((volume) => volume.state)).toEqual([VolumeState.FENCED, VolumeState.ONLINE]);
    await again.close();
  });

  test("EIO on read is damage of that blob; a stated number of them fences", async () => {
    const disk = new SimulatedDisk();
    const node = await openNode(disk, { damagesToFence: 2 });
    const blobIds = [newId(), newId()];
    let volumeId = "";
    for (const blobId of blobIds) volumeId = await put(node.client, blobId, small);
    disk.fault = ({ name }) => {
      if (name === "read") throw new DiskError("EIO", name);
    };
    for (const [index, blobId] of blobIds.entries()) {
      await expect(get(node.client, blobId, volumeId)).rejects.toMatchObject({ reason: "DAMAGED_BLOB" });
      expect((await status(node.client)).state).toBe(index === 0 ? VolumeState.ONLINE : VolumeState.FENCED);
    }
    disk.fault = () => {};
    await node.close();
  });

  test("a full disk takes no writes, serves reads, and opens by itself", async () => {
    const clock = new ManualClock();
    const disk = new SimulatedDisk({ capacityBytes: 3_000_000 });
    const node = await openNode(disk, {}, clock);
    const blobId = newId();
    const volumeId = await put(node.client, blobId, small);
    await expect(put(node.client, newId(), contentOf(3_000_000))).rejects.toMatchObject({
      reason: "VOLUME_FULL",
    });
    disk.fault = ({ name }) => {
      if (name === "write") throw new DiskError("ENOSPC", name);
    };
    await expect(put(node.client, newId(), small)).rejects.toMatchObject({ reason: "VOLUME_FULL" });
    expect((await status(node.client)).state).toBe(VolumeState.FULL);
    expect((await get(node.client, blobId, volumeId)).equals(small)).toBe(true);
    disk.fault = () => {};
    clock.advance(1_000);
    await settle();
    expect((await status(node.client)).state).toBe(VolumeState.ONLINE);
    await put(node.client, newId(), small);
    await node.close();
  });

  test("a call that hangs suspends; its late success is one; the volume opens by itself; too often fences", async () => {
    const clock = new ManualClock();
    const disk = new SimulatedDisk();
    const node = await openNode(disk, { suspendAfterMs: 1_000, suspensionsToFence: 2 }, clock);
    for (const end of [VolumeState.ONLINE, VolumeState.FENCED]) {
      let release = () => {};
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      disk.fault = ({ name }) => (name === "write" ? held : undefined);
      const writing = put(node.client, newId(), small);
      await settle();
      for (let tick = 0; tick < 6; tick++) {
        clock.advance(250);
        await settle();
      }
      expect((await status(node.client)).state).toBe(
        end === VolumeState.ONLINE ? VolumeState.SUSPENDED : VolumeState.FENCED,
      );
      await expect(put(node.client, newId(), small)).rejects.toMatchObject({
        reason: end === VolumeState.ONLINE ? "VOLUME_SUSPENDED" : "VOLUME_FENCED",
      });
      disk.fault = () => {};
      release();
      if (end === VolumeState.ONLINE) await writing;
      else await expect(writing).rejects.toMatchObject({ reason: "VOLUME_FENCED" });
      clock.advance(250);
      await settle();
      expect((await status(node.client)).state).toBe(end);
    }
    await node.close();
  });
});

describe("streams and histories", () => {
  test("a stream without finish and one that is cancelled leave nothing (I8)", async () => {
    const disk = new SimulatedDisk();
    const node = await openNode(disk);
    const requests = requestsOf(newId(), contentOf(3_000_000)).slice(0, -1);
    await expect(node.client.writeBlob(streamOf(requests), newCall())).rejects.toMatchObject({
      reason: "INVALID_STREAM",
    });
    const cancel = new AbortController();
    const endless = async function* () {
      yield* requests;
      cancel.abort();
      await new Promise(() => {});
    };
    await expect(node.client.writeBlob(endless(), newCall({ signal: cancel.signal }))).rejects.toMatchObject({
      reason: "CANCELLED",
    });
    await settle();
    for (const shard of await disk.list("/node/one/blobs"))
      expect(await disk.list(`/node/one/blobs/${shard}`)).toEqual([]);
    expect(disk.openFiles).toBe(0);
    await node.close();
  });

  test("a delete needs the history that the volume remembers, and can be repeated (P7)", async () => {
    const disk = new SimulatedDisk();
    const node = await openNode(disk);
    const at = (number: bigint, historyId = "h") => ({
      clusterId: "c",
      historyId,
      changeNumber: number,
      changeCommandId: `command-${number}`,
      markNumber: 0n,
      markCommandId: "",
    });
    const blobId = newId();
    const volumeId = await put(node.client, blobId, small);
    const remove = (confirmed: bigint, current: bigint, historyId = "h") =>
      node.client.deleteBlobs(
        { volumeId, blobIds: [blobId], confirmed: at(confirmed, historyId), current: at(current, historyId) },
        newCall(),
      );
    await expect(remove(1n, 2n)).rejects.toMatchObject({ reason: "HISTORY_MISMATCH" });
    await node.client.followHistory({ volumeId, position: at(5n) }, newCall());
    await expect(remove(4n, 9n)).rejects.toMatchObject({ reason: "HISTORY_MISMATCH" });
    await expect(remove(5n, 9n, "other")).rejects.toMatchObject({ reason: "HISTORY_MISMATCH" });
    expect((await get(node.client, blobId, volumeId)).equals(small)).toBe(true);
    for (let time = 0; time < 2; time++) expect((await remove(5n, 9n)).deletedBlobIds).toEqual([blobId]);
    await expect(get(node.client, blobId, volumeId)).rejects.toMatchObject({ reason: "NO_SUCH_BLOB" });
    await node.close();
    const again = await openNode(disk);
    expect((await status(again.client)).history?.changeNumber).toBe(9n);
    const other = { volumeId, position: at(1n, "restored") };
    await expect(again.client.followHistory(other, newCall())).rejects.toMatchObject({
      reason: "HISTORY_MISMATCH",
    });
    await again.client.followHistory({ ...other, accept: true }, newCall());
    expect((await status(again.client)).history?.historyId).toBe("restored");
    await again.close();
  });
});
