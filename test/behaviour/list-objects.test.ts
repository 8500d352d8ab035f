import { inFourWays, inOneWay, refusal, type StoreUnderTest } from "../support/behaviour";
import { encodeValue } from "../support/http";

// biome-ignore lint/suspicious/noExplicitAny: a page's JSON
type Page = any;

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
const keysOf = (page: Page): string[] => page.objects.map((object: { key: string }) => object.key);

async function fill(store: StoreUnderTest, keys: readonly string[]): Promise<string> {
  const bucket = await store.bucket();
  await Promise.all(keys.map((key) => store.put(bucket, key, key)));
  return bucket;
}

/** What a listing must be, by the definition: over all keys, without an index. */
function expected(keys: readonly string[], prefix: string, delimiter: string, after: string) {
  const objects: string[] = [];
  const prefixes = new Set<string>();
  for (const key of [...keys].sort(byBytes)) {
    if (!key.startsWith(prefix)) continue;
    const cut = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    const common = cut === -1 ? undefined : key.slice(0, cut + delimiter.length);
    if (byBytes(common ?? key, after) <= 0) continue;
    if (common === undefined) objects.push(key);
    else prefixes.add(common);
  }
  return { objects, prefixes: [...prefixes] };
}

const tricky = [
  "a",
  "a/b",
  "a/b/c",
  "a/c",
  "a//d",
  "a0",
  "A",
  "b/",
  "b/1",
  "b/2",
  "z",
  "é",
  "\u{1F600}",
  "\uFFFD",
  "a b",
  "a+b",
  "a%2Fb",
  "line\nbreak",
  "..",
  "/lead",
  "__proto__",
];

inFourWays((store) => {
  let bucket: string;
  beforeAll(async () => {
    bucket = await fill(store(), tricky);
  });

  test("all keys come in the order of their UTF-8 bytes", async () => {
    expect(await store().keys(bucket)).toEqual([...tricky].sort(byBytes));
  });

  test.each([
    ["", ""],
    ["a", ""],
    ["a/", ""],
    ["", "/"],
    ["a", "/"],
    ["a/", "/"],
    ["b/", "/"],
    ["none", "/"],
    ["", "b"],
    ["", "//"],
    ["a", "/b"],
    ["", "\u{1F600}"],
  ])("prefix %j, delimiter %j, at every page size", async (prefix, delimiter) => {
    const wanted = expected(tricky, prefix, delimiter, "");
    for (const maxKeys of [1, 2, 3, 1000]) {
      const objects: string[] = [];
      const prefixes: string[] = [];
      let token: string | undefined;
      do {
        const page: Page = (
          await store().ask(
            "GET",
            `/${bucket}?prefix=${encodeValue(prefix)}&delimiter=${encodeValue(delimiter)}&max-keys=${maxKeys}` +
              (token === undefined ? "" : `&continuation-token=${encodeValue(token)}`),
          )
        ).json;
        expect(page.keyCount).toBe(page.objects.length + page.commonPrefixes.length);
        expect(page.keyCount).toBeLessThanOrEqual(maxKeys);
        objects.push(...keysOf(page));
        prefixes.push(...page.commonPrefixes);
        token = page.nextContinuationToken;
        expect(page.isTruncated).toBe(token !== undefined);
      } while (token !== undefined);
      expect({ maxKeys, objects, prefixes }).toEqual({ maxKeys, ...wanted });
    }
  });

  test.each([["a"], ["a/b"], ["a/"], ["A"], ["zzz"], ["é"], ["nothing-like-this"]])(
    "start-after %j begins behind it, whether it exists or not",
    async (after) => {
      for (const delimiter of ["", "/"]) {
        const page: Page = (
          await store().ask(
            "GET",
            `/${bucket}?start-after=${encodeValue(after)}&delimiter=${encodeValue(delimiter)}`,
          )
        ).json;
        const wanted = expected(tricky, "", delimiter, after);
        expect(keysOf(page)).toEqual(wanted.objects);
        // S3 lists a common prefix again when start-after lies within it.
        expect(page.commonPrefixes.filter((prefix: string) => byBytes(prefix, after) > 0)).toEqual(
          wanted.prefixes,
        );
      }
    },
  );

  test("an entry says key, size, ETag and time", async () => {
    const put = await store().put(bucket, "a", "12345");
    const page: Page = (await store().ask("GET", `/${bucket}?prefix=a&max-keys=1`)).json;
    expect(page.objects).toEqual([
      {
        key: "a",
        sizeBytes: 5,
        etag: put.headers.etag?.replaceAll('"', ""),
        lastModified: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      },
    ]);
  });

  test("max-keys=0 is empty and not truncated; more than 1,000 is 1,000", async () => {
    const none: Page = (await store().ask("GET", `/${bucket}?max-keys=0`)).json;
    expect([none.objects, none.isTruncated]).toEqual([[], false]);
    expect((await store().ask("GET", `/${bucket}?max-keys=100000`)).json.maxKeys).toBe(1000);
  });

  test("XML of version 2 and of version 1 for those who ask for it", async () => {
    const ask = (query: string) =>
      store().ask("GET", `/${bucket}?${query}`, { headers: { accept: "application/xml" } });
    const two = (await ask("list-type=2&max-keys=2&encoding-type=url&fetch-owner=true")).text;
    expect(two).toContain("<KeyCount>2</KeyCount>");
    expect(two).toContain("<IsTruncated>true</IsTruncated>");
    expect(two).toMatch(/<NextContinuationToken>[^<]+</);
    expect(two).toContain("<Owner><ID>");
    const one = (await ask("max-keys=2&marker=A")).text;
    expect(one).toContain("<Marker>A</Marker>");
    expect(one).toMatch(/<NextMarker>[^<]+</);
    expect(one).not.toContain("KeyCount");
    const urlEncoded = (await ask("list-type=2&encoding-type=url&prefix=line")).text;
    expect(urlEncoded).toContain("<Key>line%0Abreak</Key>");
  });

  test("a listing that starts after a write returned shows it, whatever else is written", async () => {
    const busy = await store().bucket();
    await Promise.all(
      Array.from({ length: 8 }, async (_, writer) => {
        for (let number = 0; number < 5; number++) {
          const key = `w${writer}/${number}`;
          expect((await store().put(busy, key, "x")).status).toBe(200);
          expect(await store().keys(busy, `w${writer}/`)).toContain(key);
          if (number % 2 === 1) {
            expect((await store().ask("DELETE", `/${busy}/${key}`)).status).toBe(204);
            expect(await store().keys(busy, `w${writer}/`)).not.toContain(key);
          }
        }
      }),
    );
    expect(await store().keys(busy)).toHaveLength(8 * 3);
  });

  test("what is deleted between two pages does not disturb the rest", async () => {
    const keys = Array.from({ length: 10 }, (_, number) => `k${number}`);
    const own = await fill(store(), keys);
    const first: Page = (await store().ask("GET", `/${own}?max-keys=5`)).json;
    expect(keysOf(first)).toEqual(keys.slice(0, 5));
    await store().ask("DELETE", `/${own}/k4`);
    await store().ask("DELETE", `/${own}/k5`);
    const rest: Page = (
      await store().ask("GET", `/${own}?continuation-token=${encodeValue(first.nextContinuationToken)}`)
    ).json;
    expect(keysOf(rest)).toEqual(keys.slice(6));
  });

  test("a token is opaque, and one that was made or changed by hand is refused", async () => {
    const page: Page = (await store().ask("GET", `/${bucket}?max-keys=2`)).json;
    const token: string = page.nextContinuationToken;
    expect(Buffer.from(token, "base64").toString("latin1")).not.toContain(keysOf(page)[1]);
    const flipped = `${token.slice(0, 8)}${token[8] === "A" ? "B" : "A"}${token.slice(9)}`;
    for (const made of [
      flipped,
      token.slice(0, -4),
      "abc",
      "",
      "a".repeat(3000),
      Buffer.from("z").toString("base64"),
    ]) {
      const answer = await store().ask("GET", `/${bucket}?continuation-token=${encodeValue(made)}`);
      expect([made.slice(0, 20), ...refusal(answer)]).toEqual([made.slice(0, 20), 400, "InvalidArgument"]);
    }
    const elsewhere = await store().bucket();
    expect((await store().ask("GET", `/${elsewhere}?continuation-token=${encodeValue(token)}`)).status).toBe(
      400,
    );
    expect(
      (await store().ask("GET", `/${bucket}?prefix=a&continuation-token=${encodeValue(token)}`)).status,
    ).toBe(400);
    expect((await store().ask("GET", `/${bucket}?continuation-token=${encodeValue(token)}`)).status).toBe(
      200,
    );
  });
});

inOneWay((store) => {
  test.each([
    ["max-keys=-1"],
    ["max-keys=abc"],
    ["max-keys=1.5"],
    ["max-keys=99999999999999999999"],
    ["list-type=3"],
    ["encoding-type=base64"],
    [`prefix=${"a".repeat(1025)}`],
    [`delimiter=${"a".repeat(1025)}`],
    [`start-after=${"a".repeat(1025)}`],
    ["prefix=a%00b"],
    ["prefix=a&prefix=b"],
    ["prefix=%ff"],
    ["prefix=%zz"],
  ])("%s is refused with 400", async (query) => {
    const bucket = await store().bucket();
    expect((await store().ask("GET", `/${bucket}?${query}`)).status).toBe(400);
  });
});
