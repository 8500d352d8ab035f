import { BucketService } from "../../gen/cairn/bucket/v1/bucket_pb";
import { MetadataService } from "../../gen/cairn/metadata/v1/metadata_pb";
import { CairnError } from "../common/errors/cairn-error";
import { newId } from "../common/ids/uuid";
import type { RunningService } from "../common/lifecycle/running-service";
import { silentLogger } from "../common/log/logger";
import { createMetrics } from "../common/metrics/metrics";
import { newCall } from "../common/rpc/call";
import { localClient } from "../common/rpc/local";
import type { ServiceClient } from "../common/rpc/service";
import { openDatabase } from "../common/sql/open-database";
import { createTestDatabase, databaseEngines, type TestDatabase } from "../common/sql/test-databases";
import { systemClock } from "../common/time/clock";
import { ManualClock } from "../common/time/manual-clock";
import { defaultMetadataConfig } from "../metadata/config";
import { openMetadata } from "../metadata/open";
import { Buckets } from "./buckets";
import { DocumentSweep, missingGraceMs } from "./document-sweep";
import { openBucket } from "./open";
import type { BucketTables } from "./tables";

const call = newCall();
type Metadata = ServiceClient<typeof MetadataService>;

describe.each(databaseEngines)("buckets on %s", (engine) => {
  let places: TestDatabase[];
  let metadataService: RunningService<typeof MetadataService>;
  let metadata: Metadata;
  let bucketService: RunningService<typeof BucketService>;
  let client: ServiceClient<typeof BucketService>;
  /** What happens to commands on their way; each test may change it. */
  let onExecute: Metadata["execute"];
  const ada = newId();
  const bob = newId();

  beforeEach(async () => {
    places = [await createTestDatabase(engine, "metadata"), await createTestDatabase(engine, "bucket")];
    const shared = { clock: systemClock, log: silentLogger };
    metadataService = await openMetadata({
      ...shared,
      database: database(0),
      config: defaultMetadataConfig,
      metrics: createMetrics({ defaults: false }),
    });
    metadata = localClient(MetadataService, metadataService.service);
    onExecute = metadata.execute;
    bucketService = await openBucket({
      ...shared,
      database: database(1),
      metadata: { ...metadata, execute: (request, inner) => onExecute(request, inner) },
      metrics: createMetrics({ defaults: false }),
    });
    client = localClient(BucketService, bucketService.service);
  });
  afterEach(async () => {
    await bucketService.close();
    await metadataService.close();
    for (const place of places) await place.drop();
  });

  const database = (index: number) => {
    const place = places[index];
    if (place === undefined) throw new Error("no such place");
    return place.config;
  };
  const create = async (name: string, ownerId = ada) => {
    const { bucket, created } = await client.createBucket({ name, ownerId }, newCall());
    if (bucket === undefined) throw new Error("no bucket");
    return { ...bucket, created };
  };
  const putPolicy = (bucketId: string, expectedVersion?: bigint) =>
    client.putDocument(
      {
        bucketId,
        kind: "policy",
        body: Buffer.from("{}"),
        ...(expectedVersion === undefined ? {} : { expectedVersion }),
      },
      call,
    );

  test("a bucket is made, found by its name, and made again with no effect by its owner", async () => {
    const bucket = await create("photos");
    expect(bucket).toMatchObject({ name: "photos", ownerId: ada, created: true });
    expect((await client.getBucket({ name: "photos" }, call)).bucket).toMatchObject({
      id: bucket.id,
      ownerId: ada,
    });
    expect(await create("photos")).toMatchObject({
      id: bucket.id,
      createdAtMs: bucket.createdAtMs,
      created: false,
    });
    await expect(create("photos", bob)).rejects.toMatchObject({ reason: "BUCKET_TAKEN" });
  });

  test("of a hundred racing callers exactly one gets the name", async () => {
    const owners = Array.from({ length: 100 }, () => newId());
    const outcomes = await Promise.allSettled(owners.map((ownerId) => create("wanted", ownerId)));
    const won = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    expect(won).toMatchObject([{ created: true }]);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ reason: "BUCKET_TAKEN" });
    }
    expect((await client.getBucket({ name: "wanted" }, call)).bucket?.ownerId).toBe(won[0]?.ownerId);
  });

  test("a name against the rules is refused with the rule and the name", async () => {
    const refusal = {
      reason: "INVALID_BUCKET_NAME",
      resource: "My_Bucket",
      params: { rule: "characters", name: "My_Bucket" },
    };
    await expect(create("My_Bucket")).rejects.toMatchObject(refusal);
    await expect(create("health")).rejects.toMatchObject({ params: { rule: "reserved" } });
    expect((await client.listBuckets({ limit: 10 }, call)).buckets).toEqual([]);
  });

  test("buckets are listed by name, by owner and prefix, page by page", async () => {
    for (const name of ["b-one", "a-one", "a-two"]) await create(name);
    await create("a-bob", bob);
    const list = async (query: { ownerId?: string; prefix?: string; afterName?: string; limit: number }) => {
      const { buckets, more } = await client.listBuckets(query, call);
      return [buckets.map((bucket) => bucket.name), more];
    };
    expect(await list({ limit: 10 })).toEqual([["a-bob", "a-one", "a-two", "b-one"], false]);
    expect(await list({ ownerId: ada, limit: 2 })).toEqual([["a-one", "a-two"], true]);
    expect(await list({ ownerId: ada, afterName: "a-two", limit: 2 })).toEqual([["b-one"], false]);
    expect(await list({ prefix: "a-", limit: 10 })).toEqual([["a-bob", "a-one", "a-two"], false]);
  });

  test("a deleted bucket is gone, its name is free, and the next of that name is another", async () => {
    const bucket = await create("photos");
    await putPolicy(bucket.id);
    await client.deleteBucket({ bucketId: bucket.id }, call);
    await expect(client.getBucket({ name: "photos" }, call)).rejects.toMatchObject({
      reason: "NO_SUCH_BUCKET",
    });
    await expect(client.deleteBucket({ bucketId: bucket.id }, call)).rejects.toMatchObject({
      reason: "NO_SUCH_BUCKET",
    });
    const next = await create("photos", bob);
    expect(next).toMatchObject({ created: true, ownerId: bob });
    expect(next.id).not.toBe(bucket.id);
    await expect(client.getDocument({ bucketId: next.id, kind: "policy" }, call)).rejects.toMatchObject({
      reason: "NO_SUCH_DOCUMENT",
    });
  });

  test("what is asked of a bucket that is not there says so", async () => {
    const bucketId = newId();
    const missing = { reason: "NO_SUCH_BUCKET" };
    await expect(client.getBucket({ name: "" }, call)).rejects.toMatchObject(missing);
    await expect(client.getUsage({ bucketId }, call)).rejects.toMatchObject(missing);
    await expect(client.getDocument({ bucketId, kind: "policy" }, call)).rejects.toMatchObject(missing);
    await expect(putPolicy(bucketId)).rejects.toMatchObject(missing);
    await expect(client.deleteDocument({ bucketId, kind: "policy" }, call)).rejects.toMatchObject(missing);
  });

  test("documents have versions, and an empty bucket uses nothing", async () => {
    const { id: bucketId } = await create("photos");
    expect((await client.getUsage({ bucketId }, call)).usage).toMatchObject({ objects: 0n, sizeBytes: 0n });
    expect((await putPolicy(bucketId, 0n)).document?.version).toBe(1n);
    await expect(putPolicy(bucketId, 0n)).rejects.toMatchObject({ reason: "DOCUMENT_CHANGED" });
    expect((await putPolicy(bucketId, 1n)).document?.version).toBe(2n);
    const { document } = await client.getDocument({ bucketId, kind: "policy" }, call);
    expect(document).toMatchObject({ kind: "policy", version: 2n });
    expect(Buffer.from(document?.body ?? []).toString()).toBe("{}");
    await client.deleteDocument({ bucketId, kind: "policy" }, call);
    await expect(client.getDocument({ bucketId, kind: "policy" }, call)).rejects.toMatchObject({
      reason: "NO_SUCH_DOCUMENT",
    });
  });

  test("a lost answer is asked again by the same command, and the change is made once", async () => {
    const asked: string[] = [];
    onExecute = async (request, inner) => {
      asked.push(request.commands?.[0]?.id ?? "");
      const answer = await metadata.execute(request, inner);
      if (asked.length === 1) throw new CairnError("OUTCOME_UNKNOWN");
      return answer;
    };
    const bucket = await create("photos");
    expect(bucket.created).toBe(true);
    expect(asked).toEqual([asked[0], asked[0]]);
    asked.length = 0;
    await client.deleteBucket({ bucketId: bucket.id }, call);
    expect(asked).toEqual([asked[0], asked[0]]);
  });

  test("answers that stay lost are OUTCOME_UNKNOWN after a bounded number of times", async () => {
    let asked = 0;
    onExecute = async () => {
      asked++;
      throw new CairnError(asked === 1 ? "OUTCOME_UNKNOWN" : "METADATA_UNAVAILABLE");
    };
    await expect(create("photos")).rejects.toMatchObject({ reason: "OUTCOME_UNKNOWN" });
    expect(asked).toBe(4);
  });

  test("a plain refusal is not asked again", async () => {
    let asked = 0;
    onExecute = async () => {
      asked++;
      throw new CairnError("METADATA_UNAVAILABLE");
    };
    await expect(create("photos")).rejects.toMatchObject({ reason: "METADATA_UNAVAILABLE" });
    expect(asked).toBe(1);
  });

  test("documents left behind go after a week, and those of a bucket that is found again stay", async () => {
    const gone = await create("gone");
    const kept = await create("kept");
    for (const { id } of [gone, kept]) await putPolicy(id);
    // The bucket goes without this service hearing of it, as when it dies in between.
    const change = { case: "deleteBucket", value: { bucketId: gone.id } } as const;
    await metadata.execute({ commands: [{ id: newId(), change }] }, call);

    const own = await openDatabase<BucketTables>(database(1));
    const clock = new ManualClock();
    const rows = async () => {
      const found = await own.db.selectFrom("documents").select("bucket_id").orderBy("bucket_id").execute();
      return found.map((row) => row.bucket_id);
    };
    const away: Metadata = {
      ...metadata,
      getBucket: async () => {
        throw new CairnError("METADATA_UNAVAILABLE");
      },
    };
    const empty: Metadata = {
      ...metadata,
      getBucket: async () => {
        throw new CairnError("NO_SUCH_BUCKET");
      },
    };
    const sweep = (through: Metadata) =>
      new DocumentSweep(own, new Buckets(through, systemClock), clock).step(new AbortController().signal);

    // An empty metadata database, put right within the week, takes nothing.
    await sweep(empty);
    clock.advance(missingGraceMs / 2);
    await sweep(metadata);
    clock.advance(missingGraceMs - 1 - missingGraceMs / 2);
    await sweep(metadata);
    await expect(sweep(away)).rejects.toMatchObject({ reason: "METADATA_UNAVAILABLE" });
    expect(await rows()).toEqual([gone.id, kept.id].sort());
    clock.advance(1);
    expect(await sweep(metadata)).toBe(false);
    expect(await rows()).toEqual([kept.id]);
    await own.close();
  });

  test("its health names the database", async () => {
    expect(await bucketService.health()).toMatchObject([{ name: engine, ok: true }]);
  });
});
