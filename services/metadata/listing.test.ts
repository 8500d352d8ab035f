import fc from "fast-check";
import { Versioning } from "../../gen/cairn/common/v1/common_pb";
import { openDatabase } from "../common/sql/open-database";
import { databaseEngines } from "../common/sql/test-databases";
import { afterPrefix, commonPrefixOf, compareKeys } from "./store/key-order";
import type { Tables } from "./store/tables";
import { MetadataFixture } from "./testing/metadata-fixture";

/** Few letters, so that prefixes meet; among them what UTF-16 sorts otherwise than UTF-8. */
const letter = fc.constantFrom(
  "a",
  "b",
  "/",
  "//",
  "é",
  "\uffff",
  "😀",
  "\u{10ffff}",
  "\u0001",
  "\ud7ff",
  "\ue000",
  " ",
);
const key = fc.array(letter, { minLength: 1, maxLength: 6 }).map((letters) => letters.join(""));
const piece = fc.array(letter, { maxLength: 3 }).map((letters) => letters.join(""));

type Page = { prefix: string; delimiter: string; after: string; limit: number };

/** What a page is, said as slowly as possible. */
function model(keys: readonly string[], page: Page) {
  const items: { name: string; isPrefix: boolean }[] = [];
  for (const name of [...new Set(keys)].sort(compareKeys)) {
    if (!name.startsWith(page.prefix) || compareKeys(name, page.after) <= 0) continue;
    const common = commonPrefixOf(name, page.prefix, page.delimiter);
    if (common !== undefined && common === page.after) continue;
    const item = { name: common ?? name, isPrefix: common !== undefined };
    if (items.at(-1)?.name !== item.name || !item.isPrefix) items.push(item);
  }
  const page_ = items.slice(0, page.limit);
  return {
    keys: page_.filter((item) => !item.isPrefix).map((item) => item.name),
    prefixes: page_.filter((item) => item.isPrefix).map((item) => item.name),
    more: page.limit > 0 && items.length > page.limit,
  };
}

test("the string after a prefix is above all that begin with it, and nothing lies between", () => {
  fc.assert(
    fc.property(key, key, (prefix, other) => {
      const next = afterPrefix(prefix);
      if (next === undefined) return /^\u{10ffff}+$/u.test(prefix);
      const above = compareKeys(next, other) <= 0;
      return above === (compareKeys(other, prefix) > 0 && !other.startsWith(prefix));
    }),
  );
});

describe.each(databaseEngines)("listing on %s", (engine) => {
  let meta: MetadataFixture;
  beforeAll(async () => {
    meta = await MetadataFixture.open(engine);
  });
  afterAll(() => meta.close());

  test("every page is the model's page", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(key, { maxLength: 25 }),
        fc.array(
          fc.record({
            prefix: piece,
            delimiter: fc.oneof(fc.constant(""), fc.constant("/"), piece),
            after: fc.oneof(fc.constant(""), key),
            limit: fc.integer({ min: 0, max: 9 }),
          }),
          { minLength: 4, maxLength: 8 },
        ),
        async (keys, pages) => {
          const bucket = await meta.bucket();
          await Promise.all(keys.map((name) => meta.put(bucket, name)));
          for (const page of pages) {
            // Walks on from the given page to the last one.
            for (let current: Page | undefined = page; current !== undefined; ) {
              const answer = await meta.client.listVersions({ bucketId: bucket.id, ...current }, meta.call);
              const expected = model(keys, current);
              expect({
                keys: answer.versions.map((version) => version.key),
                prefixes: answer.commonPrefixes,
                more: answer.more,
              }).toEqual(expected);
              current = answer.more ? { ...current, after: answer.nextAfter } : undefined;
            }
          }
        },
      ),
      { numRuns: engine === "sqlite" ? 60 : 20 },
    );
  });

  test("delete markers and superseded versions are not walked", async () => {
    const bucket = await meta.configure(await meta.bucket(), { versioning: Versioning.ENABLED });
    await Promise.all(Array.from({ length: 300 }, (_, index) => meta.put(bucket, `k${index % 100}`)));
    await Promise.all(Array.from({ length: 99 }, (_, index) => meta.delete(bucket, `k${index}`)));
    const answer = await meta.client.listVersions({ bucketId: bucket.id, limit: 1 }, meta.call);
    expect(answer).toMatchObject({ versions: [{ key: "k99" }], more: false });
  });
});

describe.each(databaseEngines)("the price of a page on %s", (engine) => {
  test("is about the same among 1,000 and among 100,000 keys, with prefix and delimiter", async () => {
    const meta = await MetadataFixture.open(engine);
    const database = await openDatabase<Tables>(meta.place.config);
    const fill = async (count: number) => {
      const bucket = await meta.bucket();
      // Straight into the table: only the number of rows matters here.
      for (let at = 0; at < count; at += 1_000)
        await database.transaction((trx) =>
          trx
            .insertInto("object_versions")
            .values(Array.from({ length: 1_000 }, (_, index) => row(bucket.id, at + index)))
            .execute(),
        );
      return bucket.id;
    };
    const small = await fill(1_000);
    const large = await fill(100_000);
    const medianMs = async (bucketId: string, page: Pick<Page, "prefix" | "delimiter">) => {
      const times: number[] = [];
      for (let index = 0; index < 21; index += 1) {
        const startedMs = performance.now();
        const answer = await meta.client.listVersions(
          { bucketId, ...page, limit: 100, after: "folder-100" },
          meta.call,
        );
        times.push(performance.now() - startedMs);
        expect(answer.versions.length + answer.commonPrefixes.length).toBeGreaterThan(0);
      }
      return times.sort((a, b) => a - b)[10] ?? 0;
    };
    for (const page of [
      { prefix: "", delimiter: "" },
      { prefix: "", delimiter: "/" },
      { prefix: "folder-15/", delimiter: "/" },
    ])
      expect(await medianMs(large, page)).toBeLessThan(5 * (await medianMs(small, page)) + 10);
    await database.close();
    await meta.close();
  }, 120_000);
});

function row(bucketId: string, index: number) {
  return {
    bucket_id: bucketId,
    key: `folder-${index % 200}/key-${String(index).padStart(8, "0")}`,
    sequence: 1_000_000 + index,
    version_id: "null",
    created_at_ms: 1,
    removed_at_ms: null,
    is_current: 1,
    delete_marker: 0,
    size_bytes: 0,
    etag: "e",
    headers: "",
    checksums: "",
  };
}
