import type { Bucket } from "../../gen/cairn/common/v1/common_pb";
import { CopyState } from "../../gen/cairn/metadata/v1/metadata_pb";
import { newId } from "../common/ids/uuid";
import { databaseEngines } from "../common/sql/test-databases";
import { MetadataFixture, reasonOf } from "./testing/metadata-fixture";

const dayMs = 86_400_000;

describe.each(databaseEngines)("bytes on %s", (engine) => {
  let meta: MetadataFixture;
  let bucket: Bucket;
  beforeAll(async () => {
    meta = await MetadataFixture.open(engine);
    bucket = await meta.bucket();
  });
  afterAll(() => meta.close());

  const statesOf = async (blobId: string) => {
    const states: CopyState[] = [];
    for (const volumeId of meta.volumes) {
      const { copies } = await meta.client.listCopies(
        { volumeId, throughBlobId: blobId, limit: 10_000 },
        meta.call,
      );
      for (const copy of copies) if (copy.blobId === blobId) states.push(copy.state);
    }
    return states;
  };
  const takeRepair = async (blobId: string) => {
    const { result } = await meta.run("takeRepairs", { limit: 1000, visibilityMs: 1000n });
    return result.case === "repairs" ? result.value.tasks.find((task) => task.blobId === blobId) : undefined;
  };
  const condemnAll = async (blobId: string) => {
    meta.clock.advance(meta.config.deleteGraceMs + 1);
    return (await meta.takeDeletes()).filter((pair) => pair.blobId === blobId);
  };

  test("a lease keeps a blob from condemnation until it ends", async () => {
    const blob = meta.blob();
    await meta.put(bucket, "leased", { blob });
    await meta.delete(bucket, "leased");
    const lease = { leaseId: newId(), blobIds: [blob.blobId], ttlMs: 3_600_000n };
    expect(reasonOf(await meta.run("holdLease", lease))).toBe("done");
    expect(await condemnAll(blob.blobId)).toEqual([]);
    await meta.run("endLease", { leaseId: lease.leaseId });
    meta.clock.advance(3_600_000);
    expect(await condemnAll(blob.blobId)).toHaveLength(3);
    expect(reasonOf(await meta.run("holdLease", lease))).toBe("SOURCE_GONE");
  });

  test("the bytes of a write that was refused for good are handed out for deletion at once", async () => {
    await meta.put(bucket, "there");
    const blob = meta.blob();
    expect(reasonOf(await meta.put(bucket, "there", { blob, ifNoneMatch: ["*"] }))).toBe(
      "PRECONDITION_FAILED",
    );
    expect((await meta.takeDeletes()).filter((pair) => pair.blobId === blob.blobId)).toHaveLength(3);
    expect(reasonOf(await meta.put(bucket, "other", { blob }))).toBe("BLOB_CONDEMNED");
  });

  test("a decision to be made again leaves the bytes alone", async () => {
    const blob = meta.blob();
    const stale = { ...bucket, configVersion: 99n };
    expect(reasonOf(await meta.put(stale, "again", { blob }))).toBe("CONFIG_CHANGED");
    expect(reasonOf(await meta.put(bucket, "again", { blob }))).toBe("version");
  });

  test("an orphan is condemned once, a named replica never, and too many at once stop", async () => {
    const named = meta.blob();
    await meta.put(bucket, "named", { blob: named });
    const orphan = meta.id();
    const [volumeId] = meta.volumes;
    const first = await meta.run("condemnOrphans", {
      volumeId,
      blobIds: [named.blobId, orphan],
      volumeBlobs: 10n,
    });
    expect(first.result).toMatchObject({ case: "orphans", value: { blobIds: [orphan] } });
    const late = { ...meta.blob(), blobId: orphan };
    expect(reasonOf(await meta.put(bucket, "late", { blob: late }))).toBe("BLOB_CONDEMNED");
    expect((await meta.get(bucket, "named")).blobs[0]?.copies).toHaveLength(3);
    const many = (count: number) =>
      meta.run("condemnOrphans", {
        volumeId,
        blobIds: Array.from({ length: count }, () => newId()),
        volumeBlobs: 2_000n,
      });
    expect(reasonOf(await many(900))).toBe("orphans");
    expect(reasonOf(await many(200))).toBe("TOO_MANY_ORPHANS");
    meta.clock.advance(dayMs + 3_600_000);
    expect(reasonOf(await many(200))).toBe("orphans");
  });

  test("a blob that nobody named for three days is refused", async () => {
    const blob = meta.blob();
    meta.clock.advance(3 * dayMs + 1);
    expect(reasonOf(await meta.put(bucket, "old", { blob }))).toBe("BLOB_CONDEMNED");
  });

  test("an incomplete commit is handed out for repair until it is whole", async () => {
    const [a, b, c] = meta.volumes;
    const blob = { ...meta.blob(), volumeIds: [a, b], incomplete: true };
    await meta.put(bucket, "two", { blob });
    const task = await takeRepair(blob.blobId);
    expect(task).toMatchObject({ sizeBytes: 10n, crc32c: 7, attempts: 1 });
    expect(task?.copies).toHaveLength(2);
    expect(await takeRepair(blob.blobId)).toBeUndefined();
    meta.clock.advance(1001);
    expect(await takeRepair(blob.blobId)).toMatchObject({ attempts: 2 });
    await meta.run("finishRepair", { blobId: blob.blobId, addedVolumeIds: [c] });
    meta.clock.advance(100_000);
    expect(await takeRepair(blob.blobId)).toBeUndefined();
    expect(await statesOf(blob.blobId)).toEqual([CopyState.GOOD, CopyState.GOOD, CopyState.GOOD]);
  });

  test("a copy that was moved onto a repair's target meanwhile leaves the blob in the queue", async () => {
    const [a, b, c] = meta.volumes;
    const blob = { ...meta.blob(), volumeIds: [a, b], incomplete: true };
    await meta.put(bucket, "moved", { blob });
    expect(await takeRepair(blob.blobId)).toBeDefined();
    const { blobId } = blob;
    await meta.run("moveCopy", { blobId, fromVolumeId: a, toVolumeId: c, copies: 3 });
    await meta.run("finishRepair", { blobId, addedVolumeIds: [c], copies: 3 });
    meta.clock.advance(60_000);
    expect(await takeRepair(blobId)).toBeDefined();
  });

  test("a bad copy is given up, deleted, and named again only by a repair given out after that", async () => {
    const [a] = meta.volumes;
    const blob = meta.blob();
    await meta.put(bucket, "bad", { blob });
    await meta.run("queueRepair", { blobId: blob.blobId, volumeId: a });
    expect((await meta.get(bucket, "bad")).blobs[0]?.copies.at(-1)).toMatchObject({
      volumeId: a,
      state: CopyState.BAD,
    });
    expect(await takeRepair(blob.blobId)).toBeDefined();
    await meta.run("finishRepair", { blobId: blob.blobId, droppedVolumeIds: [a], retryAfterMs: 1n });
    meta.clock.advance(2);
    expect(await takeRepair(blob.blobId)).toBeDefined();
    expect(await condemnAll(blob.blobId)).toEqual([expect.objectContaining({ volumeId: a })]);
    await meta.run("finishDeletes", { pairs: [{ blobId: blob.blobId, volumeId: a }] });
    // This one was given out before the node confirmed.
    await meta.run("finishRepair", { blobId: blob.blobId, addedVolumeIds: [a] });
    expect((await statesOf(blob.blobId)).filter((state) => state === CopyState.CONDEMNED)).toHaveLength(1);
    meta.clock.advance(60_000);
    expect(await takeRepair(blob.blobId)).toBeDefined();
    await meta.run("finishRepair", { blobId: blob.blobId, addedVolumeIds: [a] });
    expect(await statesOf(blob.blobId)).toEqual([CopyState.GOOD, CopyState.GOOD, CopyState.GOOD]);
  });

  test("parts make a version in their order, unused and replaced ones lose their bytes", async () => {
    const uploadId = newId();
    await meta.run("createUpload", {
      uploadId,
      bucketId: bucket.id,
      key: "big",
      headers: { contentType: "video/x" },
    });
    const add = async (partNumber: number, sizeBytes: bigint) => {
      const blob = meta.blob(sizeBytes);
      const outcome = await meta.run("addPart", {
        uploadId,
        partNumber,
        sizeBytes,
        etag: `e${partNumber}`,
        extents: [{ blobId: blob.blobId, offsetBytes: 0n, lengthBytes: sizeBytes }],
        newBlobs: [blob],
      });
      expect(reasonOf(outcome)).toBe("upload");
      return blob.blobId;
    };
    const second = await add(2, 20n);
    const replaced = await add(1, 5n);
    const first = await add(1, 10n);
    const unused = await add(3, 30n);
    const complete = (parts: { partNumber: number; etag?: string }[], sizeBytes = 30n) =>
      meta.run("completeUpload", {
        uploadId,
        parts,
        configVersion: bucket.configVersion,
        content: { sizeBytes, etag: "whole-2" },
      });
    expect(reasonOf(await complete([{ partNumber: 2 }, { partNumber: 1 }]))).toBe("INVALID_PART");
    expect(reasonOf(await complete([{ partNumber: 1, etag: "x" }]))).toBe("INVALID_PART");
    expect(reasonOf(await complete([{ partNumber: 1 }], 11n))).toBe("INVALID_ARGUMENT");
    const { parts } = await meta.client.listParts({ uploadId, limit: 10 }, meta.call);
    expect(parts.map((part) => [part.partNumber, part.sizeBytes])).toEqual([
      [1, 10n],
      [2, 20n],
      [3, 30n],
    ]);
    expect(reasonOf(await complete([{ partNumber: 1 }, { partNumber: 2, etag: "e2" }]))).toBe("version");
    const found = await meta.get(bucket, "big");
    expect(found.extents.map((extent) => extent.blobId)).toEqual([first, second]);
    expect(found.version?.content?.headers?.contentType).toBe("video/x");
    expect(
      (
        await meta.client.getVersion(
          { bucketId: bucket.id, key: "big", offsetBytes: 12n, lengthBytes: 1n },
          meta.call,
        )
      ).extentsOffsetBytes,
    ).toBe(10n);
    expect(reasonOf(await complete([{ partNumber: 1 }]))).toBe("NO_SUCH_UPLOAD");
    meta.clock.advance(meta.config.deleteGraceMs + 1);
    const deleted = new Set((await meta.takeDeletes()).map((pair) => pair.blobId));
    expect([replaced, unused].every((blobId) => deleted.has(blobId))).toBe(true);
    expect([first, second].some((blobId) => deleted.has(blobId))).toBe(false);
  });

  test("purge removes deleted buckets, ended uploads, outcomes, leases and released pairs in bounded steps", async () => {
    const gone = await meta.bucket();
    const uploadId = newId();
    await meta.run("createUpload", { uploadId, bucketId: gone.id, key: "k" });
    const blobs: string[] = [];
    for (let partNumber = 1; partNumber <= 5; partNumber += 1) {
      const blob = meta.blob();
      blobs.push(blob.blobId);
      await meta.run("addPart", {
        uploadId,
        partNumber,
        sizeBytes: 10n,
        extents: [{ blobId: blob.blobId, offsetBytes: 0n, lengthBytes: 10n }],
        newBlobs: [blob],
      });
    }
    await meta.run("createUpload", {
      uploadId: newId(),
      bucketId: bucket.id,
      key: "k",
      hidden: true,
      ttlMs: 1000n,
    });
    expect(reasonOf(await meta.run("deleteBucket", { bucketId: gone.id }))).toBe("done");
    const again = await meta.bucket(gone.name);
    expect(again.id).not.toBe(gone.id);
    expect((await meta.client.getQueues({}, meta.call)).purges).toBe(1n);
    meta.clock.advance(2 * 3_600_000);
    for (let steps = 0; ; steps += 1) {
      const { result } = await meta.run("purge", { limit: 3 });
      if (result.case !== "purge") throw new Error("refused");
      expect(result.value.removed).toBeLessThanOrEqual(3);
      if (result.value.removed === 0) break;
      expect(steps).toBeLessThan(2_000);
    }
    expect((await meta.client.getQueues({}, meta.call)).purges).toBe(0n);
    meta.clock.advance(meta.config.deleteGraceMs + 1);
    const pairs = (await meta.takeDeletes()).filter((pair) => blobs.includes(pair.blobId));
    expect(pairs).toHaveLength(15);
    await meta.run("finishDeletes", { pairs });
    meta.clock.advance(7 * dayMs + 1);
    while ((await meta.run("purge", { limit: 1000 })).result.value) {
      const { result } = await meta.run("purge", { limit: 1000 });
      if (result.case === "purge" && result.value.removed === 0) break;
    }
    expect(await statesOf(blobs[0] ?? "")).toEqual([]);
    const { confirmed } = await meta.client.checkHistory(
      { remembered: (await meta.client.checkHistory({}, meta.call)).current as never },
      meta.call,
    );
    expect(confirmed).toBe(true);
  });

  test("a history whose whole log was purged ends where it ended: volumes that saw its end still take deletes (P7)", async () => {
    const gone = await meta.bucket();
    await meta.put(gone, "key");
    await meta.run("deleteVersion", { bucketId: gone.id, key: "key" });
    await meta.run("deleteBucket", { bucketId: gone.id });
    const { current: seen } = await meta.client.checkHistory({}, meta.call);
    while ((await meta.client.getQueues({}, meta.call)).purges > 0n) await meta.run("purge", { limit: 1000 });
    const { confirmed, current } = await meta.client.checkHistory({ remembered: seen as never }, meta.call);
    expect(confirmed).toBe(true);
    expect(current?.changeNumber).toBe(seen?.changeNumber);
    const other = { ...seen, changeCommandId: newId() } as never;
    expect((await meta.client.checkHistory({ remembered: other }, meta.call)).confirmed).toBe(false);
  });
});
