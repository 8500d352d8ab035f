import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newId } from "../common/ids/uuid";
import { silentLogger } from "../common/log/logger";
import { systemClock } from "../common/time/clock";
import type { Disk } from "./disk";
import { contentOf, engineSuite, readBlob, writeBlob } from "./engine-suite";
import { openFileEngine } from "./file-engine";
import { nodeDisk } from "./node-disk";
import { SimulatedDisk } from "./simulated-disk";

let nextByte = 0;
const options = (disk: Disk, root: string, openFiles = 4) => ({
  disk,
  clock: systemClock,
  log: silentLogger,
  root,
  readOnly: false,
  atOnce: 4,
  openFiles,
  newFileId: () => new Uint8Array(16).fill(nextByte++),
});

engineSuite("a file a blob, real disk", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cairn-engine-"));
  const root = `${folder}/blobs`;
  let engine = await openFileEngine(options(nodeDisk, root));
  const pathOf = (blobId: string) => `${root}/${blobId.slice(0, 7)}/${blobId}`;
  return {
    engine,
    reopen: async () => {
      await engine.close();
      engine = await openFileEngine(options(nodeDisk, root));
      return engine;
    },
    corrupt: async (blobId, change) => writeFile(pathOf(blobId), change(await readFile(pathOf(blobId)))),
    files: async () => {
      const entries = await readdir(root, { recursive: true, withFileTypes: true });
      return entries.filter((entry) => entry.isFile()).length;
    },
    close: async () => {
      await engine.close();
      await rm(folder, { recursive: true });
    },
  };
});

engineSuite("a file a blob, simulated disk", async () => {
  const disk = new SimulatedDisk();
  await disk.mkdir("/v");
  let engine = await openFileEngine(options(disk, "/v/blobs"));
  return {
    engine,
    reopen: async () => {
      await engine.close();
      engine = await openFileEngine(options(disk, "/v/blobs"));
      return engine;
    },
    corrupt: async (blobId, change) => disk.corrupt(`/v/blobs/${blobId.slice(0, 7)}/${blobId}`, change),
    files: async () => {
      let files = 0;
      for (const shard of await disk.list("/v/blobs")) files += (await disk.list(`/v/blobs/${shard}`)).length;
      return files;
    },
    close: () => engine.close(),
  };
});

test("a file that was cut short or has grown is damage", async () => {
  const disk = new SimulatedDisk();
  await disk.mkdir("/v");
  let engine = await openFileEngine(options(disk, "/v/blobs"));
  const blobId = newId();
  await writeBlob(engine, blobId, contentOf(150_000));
  const path = `/v/blobs/${blobId.slice(0, 7)}/${blobId}`;
  for (const change of [
    (data: Buffer) => data.subarray(0, 0),
    (data: Buffer) => data.subarray(0, 70_000),
    (data: Buffer) => Buffer.concat([data, Buffer.alloc(9)]),
  ]) {
    let before = Buffer.alloc(0);
    disk.corrupt(path, (data) => {
      before = Buffer.from(data);
      return change(data);
    });
    engine = await openFileEngine(options(disk, "/v/blobs"));
    await expect(readBlob(engine, blobId)).rejects.toMatchObject({ reason: "DAMAGED_BLOB" });
    await expect(engine.verify(blobId, new AbortController())).rejects.toMatchObject({
      reason: "DAMAGED_BLOB",
    });
    disk.corrupt(path, () => before);
  }
});

test("blocks of one file that changed places are damage (P8)", async () => {
  const disk = new SimulatedDisk();
  await disk.mkdir("/v");
  const engine = await openFileEngine(options(disk, "/v/blobs"));
  const blobId = newId();
  // Two blocks of equal bytes: only their place tells them apart.
  await writeBlob(engine, blobId, Buffer.alloc(131_072, 7));
  disk.corrupt(`/v/blobs/${blobId.slice(0, 7)}/${blobId}`, (data) => {
    const table = 64 + 131_072;
    const [first, second] = [data.readUInt32LE(table), data.readUInt32LE(table + 4)];
    expect(first).not.toBe(second);
    const swapped = Buffer.from(data);
    data.copy(swapped, 64, 65_600, 131_136);
    swapped.writeUInt32LE(second, table);
    swapped.writeUInt32LE(first, table + 4);
    return swapped;
  });
  await expect(readBlob(engine, blobId)).rejects.toMatchObject({ reason: "DAMAGED_BLOB" });
});

test("readers that leave early, are cancelled or run to the end leave at most the kept files open (I8)", async () => {
  const disk = new SimulatedDisk();
  await disk.mkdir("/v");
  const engine = await openFileEngine(options(disk, "/v/blobs", 2));
  const blobIds = Array.from({ length: 8 }, newId);
  for (const blobId of blobIds) await writeBlob(engine, blobId, contentOf(2_500_000));
  for (const [index, blobId] of blobIds.entries()) {
    const cancel = new AbortController();
    const reading = await engine.read(blobId, { offsetBytes: 0, lengthBytes: 0 }, cancel);
    const iterator = (reading.chunks as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    await iterator.next();
    if (index % 3 === 0) await iterator.return?.();
    else if (index % 3 === 1) cancel.abort(new Error("gone"));
    else while (!(await iterator.next()).done);
  }
  await new Promise((resolve) => setImmediate(resolve));
  expect(disk.openFiles).toBeLessThanOrEqual(2);
  await engine.close();
  await new Promise((resolve) => setImmediate(resolve));
  expect(disk.openFiles).toBe(0);
});

test("what broken writes left is removed at the start", async () => {
  const disk = new SimulatedDisk();
  await disk.mkdir("/v");
  const engine = await openFileEngine(options(disk, "/v/blobs"));
  const [whole, broken] = [newId(), "00000000-0000-7000-8000-000000000001"];
  await writeBlob(engine, whole, contentOf(10));
  const writer = engine.begin(broken);
  await writer.append(contentOf(2_000_000));
  await writer.append(contentOf(2_000_000));
  // As if the process had been killed here: nobody aborts, nobody closes.
  const after = await openFileEngine(options(disk, "/v/blobs"));
  expect(after.blobs).toBe(1);
  expect(await disk.list("/v/blobs")).toEqual([whole.slice(0, 7)]);
});
