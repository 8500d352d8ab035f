import { newId } from "../common/ids/uuid";
import { silentLogger } from "../common/log/logger";
import { createMetrics } from "../common/metrics/metrics";
import { newCall } from "../common/rpc/call";
import { databaseEngines } from "../common/sql/test-databases";
import { systemClock } from "../common/time/clock";
import { defaultMetadataConfig } from "./config";
import { openMetadata } from "./open";
import { MetadataFixture, reasonOf } from "./testing/metadata-fixture";

describe.each(databaseEngines)("buckets on %s", (engine) => {
  let meta: MetadataFixture;
  beforeAll(async () => {
    meta = await MetadataFixture.open(engine);
  });
  afterAll(() => meta.close());

  test("of a hundred that want one name, one creates it; the owner's second answers the first", async () => {
    const clients = engine === "postgres" ? [meta.client, await meta.another()] : [meta.client];
    const owners = [newId(), newId()];
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        meta.run(
          "createBucket",
          { bucketId: newId(), name: "wanted", ownerId: owners[index % 2] ?? "" },
          clients[index % clients.length],
        ),
      ),
    );
    const buckets = outcomes.flatMap(({ result }) => (result.case === "bucket" ? [result.value] : []));
    expect(buckets.filter((bucket) => bucket.created)).toHaveLength(1);
    expect(new Set(buckets.map((bucket) => bucket.bucket?.id)).size).toBe(1);
    expect(buckets).toHaveLength(50);
    expect(outcomes.filter((outcome) => reasonOf(outcome) === "BUCKET_TAKEN")).toHaveLength(50);
  });

  test("a put that races the deletion ends in an object or in no bucket, never in both or a stuck bucket", async () => {
    const other = engine === "postgres" ? await meta.another() : meta.client;
    for (let round = 0; round < 10; round += 1) {
      const bucket = await meta.bucket();
      const [put, deleted] = await Promise.all([
        meta.put(bucket, "k"),
        meta.run("deleteBucket", { bucketId: bucket.id }, other),
      ]);
      const answers = `${reasonOf(put)} ${reasonOf(deleted)}`;
      expect(["version BUCKET_NOT_EMPTY", "NO_SUCH_BUCKET done"]).toContain(answers);
      if (reasonOf(put) !== "version") continue;
      expect((await meta.get(bucket, "k")).version?.key).toBe("k");
      await meta.delete(bucket, "k");
      expect(reasonOf(await meta.run("deleteBucket", { bucketId: bucket.id }))).toBe("done");
    }
  });

  test("lists by owner, prefix and page in name order", async () => {
    const ownerId = newId();
    for (const name of ["list-c", "list-a", "list-b", "other-x"])
      await meta.run("createBucket", { bucketId: newId(), name, ownerId });
    const page = await meta.client.listBuckets({ ownerId, prefix: "list-", limit: 2 }, meta.call);
    expect(page.buckets.map((bucket) => bucket.name)).toEqual(["list-a", "list-b"]);
    expect(page.more).toBe(true);
    const rest = await meta.client.listBuckets(
      { ownerId, prefix: "list-", afterName: "list-b", limit: 2 },
      meta.call,
    );
    expect(rest.buckets.map((bucket) => bucket.name)).toEqual(["list-c"]);
    expect(rest.more).toBe(false);
    await expect(
      meta.client.getBucket({ by: { case: "name", value: "nobody" } }, meta.call),
    ).rejects.toMatchObject({ reason: "NO_SUCH_BUCKET" });
  });

  test("what was acknowledged is there after a restart", async () => {
    const bucket = await meta.bucket();
    const put = await meta.put(bucket, "kept");
    const another = await meta.another();
    const found = await another.getVersion({ bucketId: bucket.id, key: "kept" }, meta.call);
    expect(found.version?.content?.etag).toBe("e");
    expect(reasonOf(put)).toBe("version");
    const here = await meta.client.checkHistory({}, meta.call);
    expect((await another.checkHistory({ remembered: here.current as never }, meta.call)).confirmed).toBe(
      true,
    );
  });
});

test("two processes on one PostgreSQL: sums add up, the log is in order and a follower misses nothing", async () => {
  const meta = await MetadataFixture.open("postgres");
  const other = await meta.another();
  const bucket = await meta.bucket();
  const seen: bigint[] = [];
  let writing = true;
  const follow = async () => {
    for (let done = false; !done; ) {
      done = !writing;
      const { changes } = await other.readChanges(
        { bucketId: bucket.id, afterNumber: seen.at(-1) ?? 0n, limit: 1000 },
        newCall(),
      );
      seen.push(...changes.map((change) => change.number));
    }
  };
  const following = follow();
  await Promise.all(
    Array.from({ length: 300 }, (_, index) =>
      meta.put(bucket, `k${index % 90}`, { client: index % 2 === 0 ? meta.client : other }),
    ),
  );
  writing = false;
  await following;
  expect(seen).toHaveLength(301);
  const { usage } = await meta.client.getUsage({ bucketId: bucket.id }, meta.call);
  expect(usage).toMatchObject({ objects: 90n, sizeBytes: 900n });
  await meta.close();
});

test("a PostgreSQL that is away is METADATA_UNAVAILABLE at once, and the service starts all the same", async () => {
  const running = await openMetadata({
    database: { kind: "postgres", url: "postgres://a:b@127.0.0.1:1/x", schema: "metadata" },
    config: defaultMetadataConfig,
    clock: systemClock,
    log: silentLogger,
    metrics: createMetrics({ defaults: false }),
  });
  await expect(running.service.listNodes({} as never, newCall())).rejects.toMatchObject({
    reason: "METADATA_UNAVAILABLE",
  });
  expect(await running.health()).toMatchObject([{ ok: false, name: "postgres" }]);
  await running.close();
});
