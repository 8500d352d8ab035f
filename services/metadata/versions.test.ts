import { Versioning } from "../../gen/cairn/common/v1/common_pb";
import { newId } from "../common/ids/uuid";
import { databaseEngines } from "../common/sql/test-databases";
import { MetadataFixture, reasonOf } from "./testing/metadata-fixture";

describe.each(databaseEngines)("versions on %s", (engine) => {
  let meta: MetadataFixture;
  beforeAll(async () => {
    meta = await MetadataFixture.open(engine);
  });
  afterAll(() => meta.close());

  test("a put is read back with its headers, checksums, extents and copies", async () => {
    const bucket = await meta.bucket();
    const blob = meta.blob(5n);
    const outcome = await meta.run("putVersion", {
      bucketId: bucket.id,
      configVersion: bucket.configVersion,
      key: "a/💎/\uffff",
      content: {
        sizeBytes: 5n,
        etag: "abc",
        headers: { contentType: "text/plain", userMetadata: { ["__proto__"]: "x", b: "é" } },
        checksums: { md5: new Uint8Array([1, 2]) },
      },
      extents: [{ blobId: blob.blobId, offsetBytes: 0n, lengthBytes: 5n }],
      newBlobs: [blob],
    });
    expect(outcome.result).toMatchObject({ case: "version", value: { versionId: "null", changed: true } });
    const found = await meta.get(bucket, "a/💎/\uffff");
    expect(found.version).toMatchObject({ key: "a/💎/\uffff", versionId: "null", deleteMarker: false });
    expect(found.version?.content).toMatchObject({ sizeBytes: 5n, etag: "abc" });
    expect(found.version?.content?.headers?.contentType).toBe("text/plain");
    expect(Object.entries(found.version?.content?.headers?.userMetadata ?? {})).toEqual(
      expect.arrayContaining([
        ["__proto__", "x"],
        ["b", "é"],
      ]),
    );
    expect([...(found.version?.content?.checksums?.md5 ?? [])]).toEqual([1, 2]);
    expect(found.extents).toHaveLength(1);
    expect(found.blobs[0]?.copies.map((copy) => copy.volumeId).sort()).toEqual([...meta.volumes].sort());
    expect(found.configVersion).toBe(1n);
  });

  test("what is not there says which part is missing", async () => {
    const bucket = await meta.bucket();
    await expect(meta.get(bucket, "no")).rejects.toMatchObject({ reason: "NO_SUCH_KEY_IN_BUCKET" });
    await expect(meta.get(bucket, "no", "abc")).rejects.toMatchObject({ reason: "NO_SUCH_VERSION" });
    await expect(meta.get({ ...bucket, id: newId() }, "no")).rejects.toMatchObject({
      reason: "NO_SUCH_BUCKET",
    });
  });

  test("an unversioned put replaces, and the former bytes enter the delete queue at once", async () => {
    const bucket = await meta.bucket();
    const first = meta.blob();
    await meta.put(bucket, "k", { blob: first, etag: "1" });
    await meta.put(bucket, "k", { etag: "2" });
    expect((await meta.get(bucket, "k")).version?.content?.etag).toBe("2");
    const { usage } = await meta.client.getUsage({ bucketId: bucket.id }, meta.call);
    expect(usage).toMatchObject({ objects: 1n, sizeBytes: 10n });
    expect(await meta.takeDeletes()).toEqual([]);
    meta.clock.advance(meta.config.deleteGraceMs + 1);
    const pairs = (await meta.takeDeletes()).filter((pair) => pair.blobId === first.blobId);
    expect(pairs.map((pair) => pair.volumeId).sort()).toEqual([...meta.volumes].sort());
  });

  test("enabled versioning keeps versions; a delete hides, deleting the marker shows again", async () => {
    const bucket = await meta.configure(await meta.bucket(), { versioning: Versioning.ENABLED });
    const ids: string[] = [];
    for (const etag of ["1", "2"]) {
      const { result } = await meta.put(bucket, "k", { etag });
      if (result.case === "version") ids.push(result.value.versionId);
    }
    expect(new Set(ids).size).toBe(2);
    const marker = await meta.delete(bucket, "k");
    expect(marker.result).toMatchObject({ case: "version", value: { deleteMarker: true, changed: true } });
    await expect(meta.get(bucket, "k")).rejects.toMatchObject({
      reason: "NO_SUCH_KEY_IN_BUCKET",
      params: { delete_marker: "true" },
    });
    expect((await meta.get(bucket, "k", ids[0])).version?.content?.etag).toBe("1");
    const markerId = marker.result.case === "version" ? marker.result.value.versionId : "";
    await meta.delete(bucket, "k", markerId);
    expect((await meta.get(bucket, "k")).version?.content?.etag).toBe("2");
    await meta.delete(bucket, "k", ids[1]);
    expect((await meta.get(bucket, "k")).version?.content?.etag).toBe("1");
    await meta.delete(bucket, "k", ids[0]);
    expect(reasonOf(await meta.run("deleteBucket", { bucketId: bucket.id }))).toBe("done");
  });

  test("suspended versioning replaces only the null version, wherever it stands", async () => {
    let bucket = await meta.bucket();
    await meta.put(bucket, "k", { etag: "null-1" });
    bucket = await meta.configure(bucket, { versioning: Versioning.ENABLED });
    const kept = await meta.put(bucket, "k", { etag: "kept" });
    bucket = await meta.configure(bucket, { versioning: Versioning.SUSPENDED });
    expect((await meta.get(bucket, "k", "null")).version?.content?.etag).toBe("null-1");
    await meta.put(bucket, "k", { etag: "null-2" });
    expect((await meta.get(bucket, "k", "null")).version?.content?.etag).toBe("null-2");
    const keptId = kept.result.case === "version" ? kept.result.value.versionId : "";
    expect((await meta.get(bucket, "k", keptId)).version?.content?.etag).toBe("kept");
    await meta.delete(bucket, "k");
    await expect(meta.get(bucket, "k")).rejects.toMatchObject({ reason: "NO_SUCH_KEY_IN_BUCKET" });
    const { usage } = await meta.client.getUsage({ bucketId: bucket.id }, meta.call);
    expect(usage).toMatchObject({ objects: 1n, sizeBytes: 10n });
  });

  test("a version is never older than the one it follows, whatever the clock does", async () => {
    const bucket = await meta.configure(await meta.bucket(), { versioning: Versioning.ENABLED });
    const first = await meta.put(bucket, "k");
    meta.clock.jump(-5_000);
    const second = await meta.put(bucket, "k");
    meta.clock.jump(5_000);
    if (first.result.case !== "version" || second.result.case !== "version") throw new Error("refused");
    expect(second.result.value.createdAtMs).toBe(first.result.value.createdAtMs);
    expect(second.changeNumber).toBeGreaterThan(first.changeNumber);
  });

  test("conditions, config_version and quota refuse without effect", async () => {
    let bucket = await meta.bucket();
    expect(reasonOf(await meta.put(bucket, "k", { ifMatch: ["*"] }))).toBe("NO_SUCH_KEY_IN_BUCKET");
    await meta.put(bucket, "k", { etag: "1", ifNoneMatch: ["*"] });
    expect(reasonOf(await meta.put(bucket, "k", { ifNoneMatch: ["*"] }))).toBe("PRECONDITION_FAILED");
    expect(reasonOf(await meta.put(bucket, "k", { ifNoneMatch: ["1"] }))).toBe("PRECONDITION_FAILED");
    expect(reasonOf(await meta.put(bucket, "k", { ifMatch: ["0"] }))).toBe("PRECONDITION_FAILED");
    expect(reasonOf(await meta.put(bucket, "k", { etag: "2", ifMatch: ["0", "1"] }))).toBe("version");
    const stale = bucket;
    bucket = await meta.configure(bucket, { quotaBytes: 25n });
    expect(reasonOf(await meta.put(stale, "k"))).toBe("CONFIG_CHANGED");
    expect(reasonOf(await meta.put(bucket, "k2"))).toBe("version");
    expect(reasonOf(await meta.put(bucket, "k3"))).toBe("QUOTA_EXCEEDED");
    expect(reasonOf(await meta.put(bucket, "k2", { sizeBytes: 15n }))).toBe("version");
    const { usage } = await meta.client.getUsage({ bucketId: bucket.id }, meta.call);
    expect(usage).toMatchObject({ objects: 2n, sizeBytes: 25n });
  });

  test("a copy shares bytes that stay while either name is left", async () => {
    const bucket = await meta.bucket();
    const blob = meta.blob();
    await meta.put(bucket, "a", { blob });
    const copy = (key: string) =>
      meta.run("putVersion", {
        bucketId: bucket.id,
        configVersion: bucket.configVersion,
        key,
        content: { sizeBytes: 4n, etag: "c" },
        extents: [{ blobId: blob.blobId, offsetBytes: 3n, lengthBytes: 4n }],
      });
    expect(reasonOf(await copy("b"))).toBe("version");
    expect(reasonOf(await copy("b"))).toBe("version");
    await meta.delete(bucket, "a");
    meta.clock.advance(meta.config.deleteGraceMs + 1);
    expect((await meta.takeDeletes()).filter((pair) => pair.blobId === blob.blobId)).toEqual([]);
    await meta.delete(bucket, "b");
    expect(reasonOf(await copy("c"))).toBe("SOURCE_GONE");
    meta.clock.advance(meta.config.deleteGraceMs + 1);
    expect((await meta.takeDeletes()).filter((pair) => pair.blobId === blob.blobId)).toHaveLength(3);
    expect(reasonOf(await copy("c"))).toBe("SOURCE_GONE");
  });

  test("a range names only the extents that it touches", async () => {
    const bucket = await meta.bucket();
    const blobs = Array.from({ length: 50 }, () => meta.blob(10n));
    await meta.run("putVersion", {
      bucketId: bucket.id,
      configVersion: bucket.configVersion,
      key: "k",
      content: { sizeBytes: 500n, etag: "e" },
      extents: blobs.map((blob) => ({ blobId: blob.blobId, offsetBytes: 0n, lengthBytes: 10n })),
      newBlobs: blobs,
    });
    const range = (offsetBytes: bigint, lengthBytes?: bigint) =>
      meta.client.getVersion(
        { bucketId: bucket.id, key: "k", offsetBytes, ...(lengthBytes === undefined ? {} : { lengthBytes }) },
        meta.call,
      );
    const middle = await range(15n, 10n);
    expect(middle.extentsOffsetBytes).toBe(10n);
    expect(middle.extents.map((extent) => extent.blobId)).toEqual(
      blobs.slice(1, 3).map((blob) => blob.blobId),
    );
    expect((await range(490n)).extents).toHaveLength(1);
    expect((await range(0n)).extents).toHaveLength(50);
    expect((await range(500n)).extents).toHaveLength(0);
    expect((await range(20n, 10n)).extents).toHaveLength(1);
  });

  test("a blob must lie on two registered nodes, and be named once", async () => {
    const bucket = await meta.bucket();
    const [a, b] = meta.volumes;
    const with_ = (volumeIds: string[]) => meta.put(bucket, "k", { blob: { ...meta.blob(), volumeIds } });
    expect(reasonOf(await with_([a, newId()]))).toBe("NOT_ENOUGH_COPIES");
    await meta.run("registerNode", { nodeId: newId(), address: "", zone: "", volumeIds: [] });
    expect(reasonOf(await with_([a, b]))).toBe("version");
    const blob = meta.blob();
    expect(reasonOf(await meta.put(bucket, "k", { blob }))).toBe("version");
    expect(reasonOf(await meta.put(bucket, "k2", { blob }))).toBe("BLOB_EXISTS");
    expect((await meta.get(bucket, "k")).blobs[0]?.copies).toHaveLength(3);
  });
});

describe.each(databaseEngines)("commands on %s", (engine) => {
  let meta: MetadataFixture;
  beforeAll(async () => {
    meta = await MetadataFixture.open(engine);
  });
  afterAll(() => meta.close());

  test("a repeated command answers its first outcome and changes nothing", async () => {
    const bucket = await meta.bucket();
    const id = meta.id();
    const blob = meta.blob();
    const first = await meta.put(bucket, "k", { id, blob });
    await meta.delete(bucket, "k");
    expect(await meta.put(bucket, "k", { id, blob })).toEqual(first);
    await expect(meta.get(bucket, "k")).rejects.toMatchObject({ reason: "NO_SUCH_KEY_IN_BUCKET" });
    const both = await Promise.all(
      [1, 2].map(() => meta.put(bucket, "r", { id: `${id.slice(0, -4)}beef`, blob: meta.blob() })),
    );
    expect(both[0]).toEqual(both[1]);
  });

  test("a command older than half an hour is refused whole, unless it was applied", async () => {
    const bucket = await meta.bucket();
    const applied = meta.id();
    await meta.put(bucket, "k", { id: applied });
    const late = meta.id();
    meta.clock.advance(31 * 60_000);
    await expect(meta.put(bucket, "late", { id: late })).rejects.toMatchObject({ reason: "COMMAND_TOO_OLD" });
    expect(reasonOf(await meta.put(bucket, "k", { id: applied }))).toBe("version");
  });

  test("a hundred writers with If-None-Match: * have one winner, with If-Match one each round", async () => {
    const bucket = await meta.bucket();
    const race = (options: { ifMatch?: string[]; ifNoneMatch?: string[] }, round: number) =>
      Promise.all(
        Array.from({ length: 100 }, (_, index) =>
          meta.put(bucket, "k", { ...options, etag: `${round}-${index}` }),
        ),
      );
    const won = (await race({ ifNoneMatch: ["*"] }, 0)).filter((outcome) => reasonOf(outcome) === "version");
    expect(won).toHaveLength(1);
    for (let round = 1; round <= 2; round += 1) {
      const etag = (await meta.get(bucket, "k")).version?.content?.etag ?? "";
      const outcomes = await race({ ifMatch: [etag] }, round);
      expect(outcomes.filter((outcome) => reasonOf(outcome) === "version")).toHaveLength(1);
    }
  });

  test("the log has each change once, in order, and says when it is no longer kept", async () => {
    const bucket = await meta.bucket();
    await meta.put(bucket, "a");
    await meta.put(bucket, "b");
    await meta.delete(bucket, "a");
    const { changes } = await meta.client.readChanges({ bucketId: bucket.id, limit: 100 }, meta.call);
    expect(changes.map((change) => `${change.kind} ${change.key}`)).toEqual([
      "bucket-created ",
      "put a",
      "put b",
      "delete a",
    ]);
    const second = changes[1];
    if (second === undefined) throw new Error("no change");
    const rest = await meta.client.readChanges(
      { bucketId: bucket.id, afterNumber: second.number, afterCommandId: second.commandId, limit: 1 },
      meta.call,
    );
    expect(rest).toMatchObject({ more: true, changes: [{ key: "b" }] });
    await expect(
      meta.client.readChanges(
        { bucketId: bucket.id, afterNumber: second.number, afterCommandId: newId(), limit: 1 },
        meta.call,
      ),
    ).rejects.toMatchObject({ reason: "CHANGES_GONE" });
  });

  test("a remembered position is confirmed here, and not when anything of it differs", async () => {
    const bucket = await meta.bucket();
    await meta.put(bucket, "a");
    const { current } = await meta.client.checkHistory({}, meta.call);
    if (current === undefined) throw new Error("no position");
    expect(current.clusterId).not.toBe("");
    expect(current.historyId).not.toBe("");
    const ask = async (change: Partial<typeof current>) =>
      (await meta.client.checkHistory({ remembered: { ...current, ...change } }, meta.call)).confirmed;
    expect(await ask({})).toBe(true);
    await meta.put(bucket, "b");
    expect(await ask({})).toBe(true);
    expect(await ask({ clusterId: newId() })).toBe(false);
    expect(await ask({ historyId: "other" })).toBe(false);
    expect(await ask({ changeCommandId: newId() })).toBe(false);
    expect(await ask({ changeNumber: 1_000_000n })).toBe(false);
    expect(await ask({ markCommandId: newId() })).toBe(false);
    expect((await meta.client.checkHistory({}, meta.call)).confirmed).toBe(false);
  });
});
