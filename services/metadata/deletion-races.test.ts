import fc from "fast-check";
import { newId } from "../common/ids/uuid";
import { databaseEngines } from "../common/sql/test-databases";
import { MetadataFixture } from "./testing/metadata-fixture";

describe.each(databaseEngines)("deletion against what still needs bytes, on %s", (engine) => {
  test("no version ever names condemned bytes, and what nothing names is condemned in the end", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.record({ do: fc.constant("copy" as const), from: fc.nat(2), to: fc.nat(2) }),
            fc.record({ do: fc.constant("delete" as const), key: fc.nat(2) }),
            fc.record({ do: fc.constant("put" as const), key: fc.nat(2) }),
            fc.record({ do: fc.constant("lease" as const), key: fc.nat(2) }),
            fc.record({ do: fc.constant("take" as const) }),
          ),
          { minLength: 5, maxLength: 40 },
        ),
        async (steps) => {
          const meta = await MetadataFixture.open(engine, { deleteGraceMs: 0 });
          try {
            await raceOverBytes(meta, steps);
          } finally {
            await meta.close();
          }
        },
      ),
      { numRuns: engine === "sqlite" ? 15 : 6 },
    );
  });
});

type Step =
  | { do: "copy"; from: number; to: number }
  | { do: "delete" | "put" | "lease"; key: number }
  | { do: "take" };

async function raceOverBytes(meta: MetadataFixture, steps: readonly Step[]): Promise<void> {
  const clients = [meta.client, meta.place.config.kind === "postgres" ? await meta.another() : meta.client];
  const bucket = await meta.bucket();
  const known = new Set<string>();
  const condemned = new Set<string>();
  const put = (key: number, client = meta.client) => {
    const blob = meta.blob();
    known.add(blob.blobId);
    return meta.put(bucket, `k${key}`, { blob, client });
  };
  for (const key of [0, 1, 2]) await put(key);
  const run = async (step: Step, index: number) => {
    const client = clients[index % 2] ?? meta.client;
    if (step.do === "put") return put(step.key, client);
    if (step.do === "delete") return meta.delete(bucket, `k${step.key}`, "", client);
    if (step.do === "take") {
      const { result } = await meta.run("takeDeletes", { limit: 100, visibilityMs: 1n }, client);
      if (result.case === "deletes") for (const pair of result.value.pairs) condemned.add(pair.blobId);
      return;
    }
    const source = await client
      .getVersion({ bucketId: bucket.id, key: `k${step.do === "copy" ? step.from : step.key}` }, meta.call)
      .catch(() => undefined);
    if (source === undefined || source.extents.length === 0) return;
    const blobIds = source.extents.map((extent) => extent.blobId);
    if (step.do !== "copy") return meta.run("holdLease", { leaseId: newId(), blobIds, ttlMs: 1n }, client);
    return meta.run(
      "putVersion",
      {
        bucketId: bucket.id,
        configVersion: bucket.configVersion,
        key: `k${step.to}`,
        content: { sizeBytes: 10n, etag: "c" },
        extents: source.extents.map(({ blobId, offsetBytes, lengthBytes }) => ({
          blobId,
          offsetBytes,
          lengthBytes,
        })),
      },
      client,
    );
  };
  // All at once: the commands meet in batches, and on PostgreSQL in two processes.
  await Promise.all(steps.map(run));
  const live = new Set<string>();
  for (const key of [0, 1, 2]) {
    const found = await meta.get(bucket, `k${key}`).catch(() => undefined);
    for (const blob of found?.blobs ?? []) {
      live.add(blob.blobId);
      expect(blob.copies).toHaveLength(3);
    }
    expect(found?.blobs.length ?? 1).toBe(1);
  }
  for (const blobId of live) expect(condemned.has(blobId)).toBe(false);
  for (let round = 0; round < 3; round += 1) {
    meta.clock.advance(10);
    for (const pair of await meta.takeDeletes()) condemned.add(pair.blobId);
  }
  for (const blobId of known) expect(condemned.has(blobId)).toBe(!live.has(blobId));
}
