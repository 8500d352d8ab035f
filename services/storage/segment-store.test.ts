import fc from "fast-check";
import { newId } from "../common/ids/uuid";
import { DiskError } from "./disk";
import { contentOf, summaryOf } from "./engine-suite";
import { encodeRecordHeader, recordHeaderBytes, segmentSeed } from "./segment-format";
import type { SegmentStore } from "./segment-store";
import { openStore, placeOf, recordsOf } from "./segments-under-test";
import { SimulatedDisk } from "./simulated-disk";

const all = { offsetBytes: 0, lengthBytes: 0 };
const first = "/v/segments/000000000001";

async function newDisk(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  await disk.mkdir("/v");
  await disk.syncDirectory("/");
  return disk;
}

function write(store: SegmentStore, blobId: string, content: Buffer): Promise<unknown> {
  return store.turns.run(blobId, () => store.add(blobId, [content], summaryOf(content)));
}

/** Which bytes these are, in a few words. */
function textOf(content: Uint8Array): string {
  return `${content.length} bytes of CRC ${summaryOf(content).crc32c}`;
}

/** Which bytes the blob has, or the reason why they cannot be had. */
async function read(store: SegmentStore, blobId: string): Promise<string> {
  const location = store.find(blobId);
  if (location === undefined) return "NO_SUCH_BLOB";
  return store
    .read(blobId, location, all)
    .then(textOf, (error: { reason?: string }) => error.reason ?? String(error));
}

/** Opens the volume again as after a crash of the process: nothing was closed. */
function losingTheIndex(disk: SimulatedDisk): Promise<SegmentStore> {
  disk.crash();
  return openStore(disk, "/v");
}

describe("group commit", () => {
  test("what waits together is one synced write, and a new segment's name is synced before its first record", async () => {
    const disk = await newDisk();
    const store = await openStore(disk, "/v", { segmentBytes: 1_000_000 });
    const calls: string[] = [];
    disk.fault = ({ name }) => void (name === "write" || name === "syncDirectory" ? calls.push(name) : 0);
    await Promise.all(Array.from({ length: 40 }, () => write(store, newId(), contentOf(100))));
    // The header, its name, and all that came in that turn.
    expect(calls).toEqual(["write", "syncDirectory", "write"]);
    await store.close();
  });

  test("a write that fails is rejected, its segment never appended to again, and the next one succeeds", async () => {
    const disk = await newDisk();
    const store = await openStore(disk, "/v");
    const [before, failed, after] = [newId(), newId(), newId()];
    await write(store, before, contentOf(500));
    disk.fault = ({ name }) => {
      if (name === "write") throw new DiskError("ENOSPC", name);
    };
    await expect(write(store, failed, contentOf(500))).rejects.toMatchObject({ code: "ENOSPC" });
    disk.fault = () => {};
    await write(store, after, contentOf(500));
    expect(store.find(before)?.segment).toBe(1);
    expect(store.find(failed)).toBeUndefined();
    expect(store.find(after)?.segment).toBe(2);
    await store.close();
  });
});

describe("replay (P8)", () => {
  test("a lost, a damaged and a foreign index are made anew from the segments alone", async () => {
    const disk = await newDisk();
    const blobs = new Map(Array.from({ length: 60 }, (_, index) => [newId(), contentOf(index * 40)]));
    let store = await openStore(disk, "/v");
    for (const [blobId, content] of blobs) await write(store, blobId, content);
    const gone = [...blobs.keys()].slice(0, 5);
    await store.delete(gone);
    for (const blobId of gone) blobs.delete(blobId);
    const check = async () => {
      expect(store.blobs).toBe(blobs.size);
      expect(store.list("", 100).map((blob) => blob.blobId)).toEqual([...blobs.keys()].sort());
      for (const [blobId, content] of blobs) expect(await read(store, blobId)).toBe(textOf(content));
    };
    store = await losingTheIndex(disk);
    await check();
    await store.close();
    disk.cacheDatabase("/v/index.db").exec("PRAGMA user_version = 99");
    disk.keepsDatabases = true;
    disk.crash();
    disk.keepsDatabases = false;
    // SQLite would read the file that unlink removes; here it is thrown away by the crash.
    store = await losingTheIndex(disk);
    await check();
    await store.close();
    const foreign = disk.cacheDatabase("/v/index.db");
    foreign.exec("UPDATE segments SET segment_id = 'ffffffffffffffffffffffffffffffff' WHERE segment = 1");
    foreign.close();
    store = await openStore(disk, "/v");
    await check();
    await store.close();
  });

  test("only what lies behind the indexed part is read at a start", async () => {
    const disk = await newDisk();
    const store = await openStore(disk, "/v", { segmentBytes: 10_000_000 });
    for (let index = 0; index < 5; index++) await write(store, newId(), contentOf(400_000));
    await store.close();
    let reads = 0;
    disk.fault = ({ name }) => void (name === "read" ? reads++ : 0);
    const again = await openStore(disk, "/v");
    // The segment's header.
    expect(reads).toBe(1);
    expect(again.blobs).toBe(5);
    await again.close();
  });

  test("what the index holds in memory only is found, listed and counted, and replayed after a crash", async () => {
    const disk = await newDisk();
    const blobIds = Array.from({ length: 40 }, () => newId());
    let store = await openStore(disk, "/v");
    // More than what goes to SQLite together, so that some of it is there and some is not.
    const many = Array.from({ length: 1_200 }, () => newId());
    await Promise.all(many.map((blobId) => write(store, blobId, contentOf(1))));
    for (const blobId of blobIds) await write(store, blobId, contentOf(300));
    await store.delete([many[0] as string, blobIds[0] as string]);
    const kept = [...many.slice(1), ...blobIds.slice(1)].sort();
    const check = async () => {
      expect(store.blobs).toBe(kept.length);
      expect(store.list("", 2_000).map((blob) => blob.blobId)).toEqual(kept);
      expect(store.list(kept[10] as string, 5).map((blob) => blob.blobId)).toEqual(kept.slice(11, 16));
      for (const blobId of blobIds.slice(1)) expect(await read(store, blobId)).toBe(textOf(contentOf(300)));
      for (const blobId of [many[0], blobIds[0]])
        expect(await read(store, blobId as string)).toBe("NO_SUCH_BLOB");
    };
    await check();
    disk.keepsDatabases = true;
    disk.crash();
    store = await openStore(disk, "/v");
    await check();
    await store.close();
    store = await openStore(disk, "/v");
    await check();
    await store.close();
  });

  test("a torn end costs the last record only; what comes after goes to another segment", async () => {
    const lengthOf = 3 * (recordHeaderBytes + 300);
    for (const cut of [1, 50, 299, 300, 301, 350, 427]) {
      const disk = await newDisk();
      const blobIds = [newId(), newId(), newId()];
      const store = await openStore(disk, "/v");
      for (const blobId of blobIds) await write(store, blobId, contentOf(300));
      disk.corrupt(first, (data) => {
        expect(data.length).toBe(64 + lengthOf);
        return data.subarray(0, data.length - cut);
      });
      const again = await losingTheIndex(disk);
      expect(again.blobs).toBe(2);
      expect(await read(again, blobIds[2] as string)).toBe("NO_SUCH_BLOB");
      await write(again, blobIds[2] as string, contentOf(300));
      expect(again.find(blobIds[2] as string)?.segment).toBe(2);
      const third = await losingTheIndex(disk);
      for (const blobId of blobIds) expect(await read(third, blobId)).toBe(textOf(contentOf(300)));
      await third.close();
    }
  });

  test("a bad record between sound ones is damage: it is missing, the others stay", async () => {
    const disk = await newDisk();
    const blobIds = Array.from({ length: 5 }, newId);
    const store = await openStore(disk, "/v", { segmentBytes: 10_000_000 });
    for (const blobId of blobIds) await write(store, blobId, contentOf(70_000));
    for (const place of [0, 13, 40, 60, 100, 125, 128, 40_000, 70_127]) {
      const flip = (data: Buffer) => {
        const { from } = placeOf(data, blobIds[2] as string) ?? { from: 0 };
        data[from + place] = (data[from + place] as number) ^ 4;
        return data;
      };
      let before = Buffer.alloc(0);
      disk.corrupt(first, (data) => {
        before = Buffer.from(data);
        return flip(data);
      });
      const again = await losingTheIndex(disk);
      expect(again.blobs).toBe(4);
      for (const [index, blobId] of blobIds.entries())
        expect(await read(again, blobId)).toEqual(index === 2 ? "NO_SUCH_BLOB" : textOf(contentOf(70_000)));
      disk.corrupt(first, () => before);
    }
  });

  test("records inside a body are never taken for records, not even after damage before them", async () => {
    const disk = await newDisk();
    const [outer, inner, last] = [newId(), newId(), newId()];
    const store = await openStore(disk, "/v", { segmentBytes: 10_000_000 });
    await write(store, inner, contentOf(200));
    // A record as in this very segment, and one made for another segment at the place where it will lie.
    let copied = Buffer.alloc(0);
    disk.corrupt(first, (data) => {
      const { from, to } = placeOf(data, inner) as { from: number; to: number };
      copied = Buffer.from(data.subarray(from, to));
      return data;
    });
    const forged = Buffer.concat([Buffer.alloc(recordHeaderBytes), contentOf(200, 9)]);
    const body = Buffer.concat([copied, forged, copied]);
    const start = 64 + copied.length + recordHeaderBytes + copied.length;
    const record = { kind: "blob" as const, blobId: inner, sizeBytes: 200, crc32c: 0, writtenAtMs: 1 };
    encodeRecordHeader(forged, 0, record, segmentSeed("00".repeat(16).replace(/0$/, "e")), start);
    forged.copy(body, copied.length);
    await write(store, outer, body);
    await write(store, last, contentOf(10));
    disk.corrupt(first, (data) => {
      const { from } = placeOf(data, outer) as { from: number };
      data[from + 20] = 0xff;
      return data;
    });
    const again = await losingTheIndex(disk);
    expect(await read(again, inner)).toBe(textOf(contentOf(200)));
    expect(await read(again, outer)).toBe("NO_SUCH_BLOB");
    expect(await read(again, last)).toBe(textOf(contentOf(10)));
    expect((await recordsOf(disk, "/v")).length).toBe(2);
    await again.close();
  });

  test("a fenced volume is read without a change on its disk", async () => {
    const disk = await newDisk();
    const blobId = newId();
    await write(await openStore(disk, "/v"), blobId, contentOf(700));
    disk.crash();
    const changes = disk.changes;
    const store = await openStore(disk, "/v", { readOnly: true });
    expect(await read(store, blobId)).toBe(textOf(contentOf(700)));
    await store.close();
    expect(disk.changes).toBe(changes);
  });
});

describe("controls: planted bugs are caught", () => {
  test.each([
    ["a segment's bytes are not synced", { forgets: { dataSyncs: true }, keepsDatabases: false }],
    ["a segment's name is not synced", { forgets: { directorySyncs: true }, keepsDatabases: false }],
    ["the index is durable before the bytes are", { forgets: { dataSyncs: true }, keepsDatabases: true }],
  ])("%s: an acknowledged blob is lost, never another's bytes given", async (_, bug) => {
    const disk = await newDisk();
    const store = await openStore(disk, "/v");
    const [lost, after] = [newId(), newId()];
    disk.forgets = bug.forgets;
    await write(store, lost, contentOf(700));
    disk.forgets = {};
    disk.keepsDatabases = bug.keepsDatabases;
    disk.crash();
    const again = await openStore(disk, "/v");
    expect(await read(again, lost)).toBe("NO_SUCH_BLOB");
    await write(again, after, contentOf(800));
    expect(await read(again, after)).toBe(textOf(contentOf(800)));
    expect(again.blobs).toBe(1);
    await again.close();
  });
});

describe("compaction", () => {
  /** Some segments' worth of blobs, all but each fourth deleted. */
  async function mostlyDeleted(disk: SimulatedDisk) {
    const store = await openStore(disk, "/v");
    const blobIds = Array.from({ length: 24 }, newId);
    await Promise.all(blobIds.map((blobId) => write(store, blobId, contentOf(2_000))));
    const live = blobIds.filter((_, index) => index % 4 === 0);
    await store.delete(blobIds.filter((_, index) => index % 4 !== 0));
    return { store, live, dead: blobIds.filter((_, index) => index % 4 !== 0) };
  }

  async function bytesIn(disk: SimulatedDisk): Promise<number> {
    let bytes = 0;
    for (const name of await disk.list("/v/segments"))
      bytes += (await disk.stat(`/v/segments/${name}`))?.sizeBytes ?? 0;
    return bytes;
  }

  test("gives the space of deleted blobs back and keeps the rest, also when the index is lost after", async () => {
    const disk = await newDisk();
    const { store, live, dead } = await mostlyDeleted(disk);
    const before = await bytesIn(disk);
    while (await store.compactor.step());
    expect(await bytesIn(disk)).toBeLessThan(before / 2);
    for (const open of [async () => store, () => losingTheIndex(disk)]) {
      const now = await open();
      expect(now.blobs).toBe(live.length);
      for (const blobId of live) expect(await read(now, blobId)).toBe(textOf(contentOf(2_000)));
      for (const blobId of dead) expect(await read(now, blobId)).toBe("NO_SUCH_BLOB");
    }
  });

  test("a tombstone stays as long as an older record of its blob does", async () => {
    const disk = await newDisk();
    const blobId = newId();
    let store = await openStore(disk, "/v");
    // Segment 1: the blob, and so much that lives that it is never compacted. Segment 2: the tombstone, alone dead.
    await write(store, blobId, contentOf(500));
    await write(store, newId(), contentOf(19_900));
    await store.delete([blobId]);
    const junk = newId();
    await write(store, junk, contentOf(21_000));
    await store.delete([junk]);
    for (let round = 0; round < 4; round++) {
      while (await store.compactor.step());
      store = await losingTheIndex(disk);
      expect(await read(store, blobId)).toBe("NO_SUCH_BLOB");
    }
    expect((await recordsOf(disk, "/v")).filter((record) => record.kind === "tombstone")).toHaveLength(1);
    await store.close();
  });

  test("a damaged record stays in its place, is reported as damage, and goes when it is written anew", async () => {
    const disk = await newDisk();
    const { store, live } = await mostlyDeleted(disk);
    const broken = live[0] as string;
    disk.corrupt(first, (data) => {
      const { from } = placeOf(data, broken) as { from: number };
      data[from + 500] = (data[from + 500] as number) ^ 1;
      return data;
    });
    while (await store.compactor.step());
    expect(await read(store, broken)).toBe("DAMAGED_BLOB");
    expect(await disk.stat(first)).toBeDefined();
    expect(await store.holds(broken, summaryOf(contentOf(2_000)))).toBe(false);
    await write(store, broken, contentOf(2_000));
    while (await store.compactor.step());
    expect(await disk.stat(first)).toBeUndefined();
    for (const blobId of live) expect(await read(store, blobId)).toBe(textOf(contentOf(2_000)));
    await store.close();
  });

  test("writes, deletes and reads go on meanwhile, and none is undone", async () => {
    const disk = await newDisk();
    const { store, live } = await mostlyDeleted(disk);
    const compacting = (async () => {
      while (await store.compactor.step());
    })();
    const [gone, ...kept] = live;
    const added = newId();
    await Promise.all([
      store.delete([gone as string]),
      write(store, added, contentOf(900)),
      ...kept.map(async (blobId) => expect(await read(store, blobId)).toBe(textOf(contentOf(2_000)))),
    ]);
    await compacting;
    for (const open of [async () => store, () => losingTheIndex(disk)]) {
      const now = await open();
      expect(await read(now, gone as string)).toBe("NO_SUCH_BLOB");
      expect(await read(now, added)).toBe(textOf(contentOf(900)));
      for (const blobId of kept) expect(await read(now, blobId)).toBe(textOf(contentOf(2_000)));
    }
  });

  test("a power cut at every step of it loses nothing and brings nothing back", async () => {
    for (const seed of [undefined, 1, 2]) {
      let state = seed ?? 0;
      const next = () => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        return state / 2 ** 32;
      };
      let ended = false;
      for (let step = 1; !ended; step++) {
        const disk = await newDisk();
        const { store, live, dead } = await mostlyDeleted(disk);
        disk.cutPowerAt = disk.changes + step;
        const work = async () => {
          while (await store.compactor.step());
        };
        ended = await work().then(
          () => true,
          () => false,
        );
        disk.crash(seed === undefined ? undefined : next);
        const again = await openStore(disk, "/v");
        for (const blobId of live) expect(await read(again, blobId)).toBe(textOf(contentOf(2_000)));
        for (const blobId of dead) expect(await read(again, blobId)).toBe("NO_SUCH_BLOB");
        expect(again.blobs).toBe(live.length);
        while (await again.compactor.step());
        for (const blobId of live) expect(await read(again, blobId)).toBe(textOf(contentOf(2_000)));
        await again.close();
      }
    }
  });
});

test("any mix of writes, deletes, restarts, power cuts and compactions is what the same on a Map is", async () => {
  const blobIds = Array.from({ length: 12 }, newId);
  const command = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant("write" as const), blob: fc.nat(11) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("delete" as const), blob: fc.nat(11) }) },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constantFrom("restart" as const, "cut" as const), blob: fc.constant(0) }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("compact" as const), blob: fc.constant(0) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 10, maxLength: 60 }), async (commands) => {
      const disk = await newDisk();
      const model = new Map<string, Buffer>();
      let store = await openStore(disk, "/v", { segmentBytes: 3_000 });
      for (const [index, { do: what, blob }] of commands.entries()) {
        const blobId = blobIds[blob] as string;
        if (what === "write" && !model.has(blobId)) {
          const content = contentOf((index * 137) % 2_000, (index % 250) + 1);
          await write(store, blobId, content);
          model.set(blobId, content);
        } else if (what === "delete") {
          await store.delete([blobId]);
          model.delete(blobId);
        } else if (what === "compact") {
          await store.compactor.step();
        } else if (what === "restart" || what === "cut") {
          if (what === "restart") await store.close();
          else disk.crash();
          store = await openStore(disk, "/v", { segmentBytes: 3_000 });
        }
      }
      expect(store.list("", 100).map((blob) => blob.blobId)).toEqual([...model.keys()].sort());
      expect(store.blobs).toBe(model.size);
      for (const [blobId, content] of model) expect(await read(store, blobId)).toBe(textOf(content));
      await store.close();
    }),
    { numRuns: 80, seed: 11 },
  );
});
