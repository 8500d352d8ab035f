import { randomBytes } from "node:crypto";
import { newId } from "../common/ids/uuid";
import type { Database } from "../common/sql/database";
import { migrate } from "../common/sql/migrate";
import { openDatabase } from "../common/sql/open-database";
import { createTestDatabase, databaseEngines, type TestDatabase } from "../common/sql/test-databases";
import { ManualClock } from "../common/time/manual-clock";
import { Documents } from "./documents";
import { bucketMigrations } from "./migrations";
import type { BucketTables } from "./tables";

describe.each(databaseEngines)("documents on %s", (engine) => {
  let place: TestDatabase;
  let database: Database<BucketTables>;
  let documents: Documents;
  const clock = new ManualClock();
  const bucketId = newId();

  beforeEach(async () => {
    place = await createTestDatabase(engine, "bucket");
    database = await openDatabase<BucketTables>(place.config);
    await migrate(database, place.config, bucketMigrations(database.kind));
    documents = new Documents(database, clock);
  });
  afterEach(async () => {
    await database.close();
    await place.drop();
  });

  const put = (text: string, expected?: number) =>
    documents.put(bucketId, "policy", Buffer.from(text), expected);

  test("a document comes back byte for byte, with a version that counts its writes", async () => {
    const body = Buffer.concat([Buffer.of(0, 255, 10), randomBytes(1_048_573)]);
    expect((await documents.put(bucketId, "policy", body, 0)).version).toBe(1);
    const read = await documents.get(bucketId, "policy");
    expect(read).toMatchObject({ kind: "policy", version: 1, changedAtMs: clock.nowMs() });
    expect(read.body.equals(body)).toBe(true);
    expect((await put("two")).version).toBe(2);
    expect((await put("three", 2)).version).toBe(3);
    expect((await documents.get(bucketId, "policy")).body.toString()).toBe("three");
  });

  test("a write that expects another version is DOCUMENT_CHANGED and changes nothing", async () => {
    await expect(put("one", 1)).rejects.toMatchObject({ reason: "DOCUMENT_CHANGED" });
    await put("one");
    for (const expected of [0, 2]) {
      await expect(put("two", expected)).rejects.toMatchObject({
        reason: "DOCUMENT_CHANGED",
        params: { version: "1" },
      });
    }
    expect(await documents.get(bucketId, "policy")).toMatchObject({ version: 1, body: Buffer.from("one") });
  });

  test("of ten racing writers that expect the same version one wins", async () => {
    for (const expected of [0, 1]) {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 10 }, (_, i) => put(`writer ${i}`, expected)),
      );
      const won = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
      expect(won).toHaveLength(1);
      expect(await documents.get(bucketId, "policy")).toEqual(won[0]);
    }
  });

  test("a deleted document is gone, deleting it again is as good, and its versions do not repeat", async () => {
    await put("one");
    await documents.delete(bucketId, "policy");
    await documents.delete(bucketId, "policy");
    await documents.delete(bucketId, "cors");
    await expect(documents.get(bucketId, "policy")).rejects.toMatchObject({ reason: "NO_SUCH_DOCUMENT" });
    await expect(put("two", 1)).rejects.toMatchObject({ reason: "DOCUMENT_CHANGED" });
    expect((await put("two", 0)).version).toBe(2);
  });

  test("documents of kinds and buckets do not touch each other", async () => {
    const other = newId();
    await put("mine");
    await documents.put(other, "policy", Buffer.from("other"), 0);
    await documents.put(bucketId, "cors", Buffer.from("cors"), 0);
    await documents.removeBucket(other);
    await expect(documents.get(other, "policy")).rejects.toMatchObject({ reason: "NO_SUCH_DOCUMENT" });
    expect((await documents.get(bucketId, "policy")).body.toString()).toBe("mine");
    expect((await documents.get(bucketId, "cors")).body.toString()).toBe("cors");
  });
});
