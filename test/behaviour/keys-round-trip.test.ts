import fc from "fast-check";
import { inFourWays, inOneWay, refusal } from "../support/behaviour";
import { encodeKey } from "../support/http";

const keys = [
  "plain",
  "a/b/c",
  "a//b///c",
  "/leading",
  "//",
  "trailing/",
  ".",
  "..",
  "../up",
  "a/../b",
  "a/./b",
  "...",
  "100%",
  "%2F",
  "%252F",
  "%00 as text",
  "a+b",
  "a b",
  " ",
  "  two  ",
  "a&b=c?d#e",
  "semi;colon:at@",
  "quote'\"`",
  "<xml>&amp;",
  "back\\slash",
  "new\nline",
  "carriage\rreturn",
  "tab\tbell\u0007",
  "del\u007f",
  "\u{1F600}",
  "\u{1F469}\u200D\u{1F680}",
  "e\u0301",
  "\u00e9",
  "\ufeffbom",
  "\u202Ertl",
  "\uFFFD",
  "\uFFFF",
  "__proto__",
  "constructor",
  "health",
  "_/health/live",
  "?list-type=2",
  "null",
  "a".repeat(1024),
  "é".repeat(512),
  "\u{1F600}".repeat(256),
];

inFourWays((store) => {
  let bucket: string;
  beforeAll(async () => {
    bucket = await store().bucket();
  });

  test("every key is kept byte for byte: stored, read, listed, copied, deleted", async () => {
    for (const key of keys) {
      const put = await store().put(bucket, key, `body of ${key}`);
      expect([key, put.status, put.json.key]).toEqual([key, 200, key]);
    }
    for (const key of keys) {
      const got = await store().get(bucket, key);
      expect([key, got.status, got.text]).toEqual([key, 200, `body of ${key}`]);
    }
    const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(await store().keys(bucket)).toEqual(sorted);
    for (const key of keys) expect(await store().keys(bucket, key)).toContain(key);
    for (const key of keys)
      expect([key, (await store().ask("DELETE", `/${bucket}/${encodeKey(key)}`)).status]).toEqual([key, 204]);
    expect(await store().keys(bucket)).toEqual([]);
  });

  test("any text of UTF-8 up to 1,024 bytes", async () => {
    const own = await store().bucket();
    const text = fc
      .string({ unit: "binary", minLength: 1, maxLength: 200 })
      .filter((key) => !key.includes("\0") && Buffer.byteLength(key) <= 1024 && !/\p{Surrogate}/u.test(key));
    await fc.assert(
      fc.asyncProperty(text, async (key) => {
        expect((await store().put(own, key, key)).status).toBe(200);
        expect((await store().get(own, key)).text).toBe(key);
        expect(await store().keys(own, key)).toContain(key);
        expect((await store().ask("DELETE", `/${own}/${encodeKey(key)}`)).status).toBe(204);
        expect((await store().get(own, key)).status).toBe(404);
      }),
      { numRuns: 10 },
    );
  });
});

inOneWay((store) => {
  let bucket: string;
  beforeAll(async () => {
    bucket = await store().bucket();
  });

  test("percent-encoding is undone once: needlessly encoded or in either case, it is the same key", async () => {
    await store().put(bucket, "aé/~", "x");
    for (const path of ["%61%C3%A9/~", "a%c3%a9%2F%7e", "a%c3%A9%2f~"])
      expect([path, (await store().ask("GET", `/${bucket}/${path}`)).text]).toEqual([path, "x"]);
    expect((await store().ask("GET", `/${bucket}/a%25C3%25A9/~`)).status).toBe(404);
    // Raw bytes beyond ASCII are no request target (RFC 9112 section 3.2).
    expect((await store().ask("GET", `/${bucket}/a\xc3\xa9/~`)).status).toBe(400);
  });

  test.each([
    ["of 1,025 bytes", "k".repeat(1025), "KeyTooLongError"],
    ["of 1,025 bytes in UTF-8", `${"%C3%A9".repeat(512)}k`, "KeyTooLongError"],
    ["with NUL", "a%00b", "InvalidArgument"],
    ["that is no UTF-8", "a%ffb", "InvalidURI"],
    ["with an overlong form", "a%c0%afb", "InvalidURI"],
    ["with half a surrogate pair", "a%ed%a0%80b", "InvalidURI"],
    ["with bad percent encoding", "a%zzb", "InvalidURI"],
    ["with a cut-off percent encoding", "a%4", "InvalidURI"],
    ["with a lone percent sign", "100%", "InvalidURI"],
  ])("a key %s is refused, for every method, and makes nothing", async (_name, path, code) => {
    for (const method of ["PUT", "GET", "DELETE"]) {
      const answer = await store().ask(method, `/${bucket}/${path}`, method === "PUT" ? { body: "x" } : {});
      expect([method, ...refusal(answer)]).toEqual([method, 400, code]);
    }
    expect(await store().keys(bucket)).toEqual(["aé/~"]);
  });
});
