import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newId } from "../common/ids/uuid";
import { contentOf, type EngineUnderTest, engineSuite, readBlob, summaryOf, writeBlob } from "./engine-suite";
import { nodeDisk } from "./node-disk";
import { openHybrid, placeOf, recordsOf } from "./segments-under-test";
import { SimulatedDisk } from "./simulated-disk";

/** The engine on a real folder; a blob's bytes are found where it first lay, whatever damage they have by then. */
async function onRealDisk(smallBlobBytes: number): Promise<EngineUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), "cairn-hybrid-"));
  const open = () => openHybrid(nodeDisk, folder, { smallBlobBytes });
  let engine = await open();
  const places = new Map<string, { path: string; from: number; to: number }>();
  const find = async (blobId: string) => {
    for (const name of await readdir(`${folder}/segments`)) {
      const path = `${folder}/segments/${name}`;
      const place = placeOf(await readFile(path), blobId);
      if (place !== undefined) places.set(blobId, { path, ...place });
    }
    const place = places.get(blobId);
    if (place === undefined) throw new Error(`no record of ${blobId}`);
    return place;
  };
  return {
    engine,
    reopen: async () => {
      await engine.close();
      engine = await open();
      return engine;
    },
    corrupt: async (blobId, change) => {
      const file = `${folder}/blobs/${blobId.slice(0, 7)}/${blobId}`;
      if (existsSync(file)) return writeFile(file, change(await readFile(file)));
      const { path, from, to } = places.get(blobId) ?? (await find(blobId));
      const data = await readFile(path);
      change(Buffer.from(data.subarray(from, to))).copy(data, from);
      await writeFile(path, data);
    },
    files: async () => {
      const entries = await readdir(`${folder}/blobs`, { recursive: true, withFileTypes: true });
      return entries.filter((entry) => entry.isFile()).length + (await recordsOf(nodeDisk, folder)).length;
    },
    close: async () => {
      await engine.close();
      await rm(folder, { recursive: true });
    },
  };
}

engineSuite("segments and files, real disk", () => onRealDisk(256 * 1024));
engineSuite("segments for up to 1 MiB, real disk", () => onRealDisk(1024 * 1024));
engineSuite("files alone behind the index, real disk", () => onRealDisk(-1));

engineSuite("segments and files, simulated disk", async () => {
  const disk = new SimulatedDisk();
  await disk.mkdir("/v");
  let engine = await openHybrid(disk, "/v");
  const places = new Map<string, { path: string; from: number; to: number }>();
  const findIn = (path: string, blobId: string) =>
    disk.corrupt(path, (data) => {
      const place = placeOf(data, blobId);
      if (place !== undefined) places.set(blobId, { path, ...place });
      return data;
    });
  return {
    engine,
    reopen: async () => {
      await engine.close();
      engine = await openHybrid(disk, "/v");
      return engine;
    },
    corrupt: async (blobId, change) => {
      if (!places.has(blobId))
        for (const name of await disk.list("/v/segments")) findIn(`/v/segments/${name}`, blobId);
      const place = places.get(blobId);
      if (place === undefined) return disk.corrupt(`/v/blobs/${blobId.slice(0, 7)}/${blobId}`, change);
      disk.corrupt(place.path, (data) => {
        change(Buffer.from(data.subarray(place.from, place.to))).copy(data, place.from);
        return data;
      });
    },
    files: async () => {
      let files = (await recordsOf(disk, "/v")).length;
      for (const shard of await disk.list("/v/blobs")) files += (await disk.list(`/v/blobs/${shard}`)).length;
      return files;
    },
    close: () => engine.close(),
  };
});

describe("small and large blobs of one volume", () => {
  test("a listing goes through both in id order, whatever the page", async () => {
    const disk = new SimulatedDisk();
    await disk.mkdir("/v");
    const engine = await openHybrid(disk, "/v", { smallBlobBytes: 1_000 });
    const blobIds = Array.from({ length: 30 }, (_, index) =>
      index % 3 === 0 ? newId() : `0000000${index % 5}-${newId().slice(9)}`,
    );
    for (const [index, blobId] of blobIds.entries())
      await writeBlob(engine, blobId, contentOf(index % 2 === 0 ? 10 : 2_000));
    for (const limit of [1, 4, 7, 100]) {
      const listed: string[] = [];
      for (let more = true; more; ) {
        const page = await engine.list(listed.at(-1) ?? "", limit);
        listed.push(...page.blobs.map((blob) => blob.blobId));
        more = page.more;
      }
      expect(listed).toEqual([...blobIds].sort());
    }
    await engine.close();
  });

  test("content that grows past the limit unannounced becomes a file; announced or not it is the same", async () => {
    const disk = new SimulatedDisk();
    await disk.mkdir("/v");
    const engine = await openHybrid(disk, "/v", { smallBlobBytes: 1_000 });
    for (const [sizeBytes, records] of [
      [1_000, 2],
      [1_001, 0],
    ] as const) {
      const content = contentOf(sizeBytes);
      const blobIds = [newId(), newId()];
      for (const [index, blobId] of blobIds.entries()) {
        const writer = engine.begin(blobId, index === 0 ? sizeBytes : undefined);
        await writer.append(content.subarray(0, 600));
        await writer.append(content.subarray(600));
        await writer.finish(summaryOf(content));
        expect((await readBlob(engine, blobId)).equals(content)).toBe(true);
      }
      const kept = await recordsOf(disk, "/v");
      expect(kept.filter(({ blobId }) => blobIds.includes(blobId)).length).toBe(records);
    }
    await engine.close();
  });

  test("a blob stays one blob when the limit changes between two writes of it", async () => {
    const disk = new SimulatedDisk();
    await disk.mkdir("/v");
    const [one, other] = [newId(), newId()];
    const content = contentOf(5_000);
    const first = await openHybrid(disk, "/v", { smallBlobBytes: 10_000 });
    await writeBlob(first, one, content);
    await first.close();
    const second = await openHybrid(disk, "/v", { smallBlobBytes: 100 });
    await writeBlob(second, one, content);
    await writeBlob(second, other, content);
    await expect(writeBlob(second, one, contentOf(6_000))).rejects.toMatchObject({ reason: "BLOB_EXISTS" });
    await second.close();
    const third = await openHybrid(disk, "/v", { smallBlobBytes: 10_000 });
    await writeBlob(third, other, content);
    await expect(writeBlob(third, other, contentOf(50))).rejects.toMatchObject({ reason: "BLOB_EXISTS" });
    expect(third.blobs).toBe(2);
    await third.delete([one, other]);
    expect(third.blobs).toBe(0);
    expect((await third.list("", 10)).blobs).toEqual([]);
    await third.close();
  });
});
