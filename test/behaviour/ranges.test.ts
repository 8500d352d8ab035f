import { randomBytes } from "node:crypto";
import { inFourWays, refusal } from "../support/behaviour";

const size = 2 * 1024 * 1024 + 333;
const block = 65_536;

inFourWays((store) => {
  let bucket: string;
  let etag: string;
  const body = randomBytes(size);
  beforeAll(async () => {
    bucket = await store().bucket();
    etag = (await store().put(bucket, "k", body)).headers.etag ?? "";
    await store().put(bucket, "empty", "");
  });

  test.each([
    ["the first byte", "bytes=0-0", 0, 0],
    ["within a block", "bytes=10-99", 10, 99],
    ["over a block's edge", `bytes=${block - 1}-${block}`, block - 1, block],
    ["exactly a block", `bytes=${block}-${2 * block - 1}`, block, 2 * block - 1],
    ["several chunks", "bytes=300000-1700000", 300_000, 1_700_000],
    ["open", `bytes=${size - 7}-`, size - 7, size - 1],
    ["open from the start", "bytes=0-", 0, size - 1],
    ["past the end", `bytes=${size - 3}-${size + 1000}`, size - 3, size - 1],
    ["up to 2^64", `bytes=5-${2n ** 64n}`, 5, size - 1],
    ["a suffix", "bytes=-5", size - 5, size - 1],
    ["a suffix longer than all", `bytes=-${size + 1}`, 0, size - 1],
  ])("%s: 206 with exactly these bytes", async (_name, range, first, last) => {
    const got = await store().get(bucket, "k", { range });
    expect([got.status, got.headers["content-range"], got.headers["content-length"]]).toEqual([
      206,
      `bytes ${first}-${last}/${size}`,
      String(last - first + 1),
    ]);
    expect(got.bytes.equals(body.subarray(first, last + 1))).toBe(true);
    const head = await store().ask("HEAD", `/${bucket}/k`, { headers: { range } });
    expect([head.status, head.headers["content-length"], head.text]).toEqual([
      206,
      String(last - first + 1),
      "",
    ]);
  });

  test.each([
    ["behind the end", "k", `bytes=${size}-`, size],
    ["far behind the end", "k", `bytes=${2n ** 70n}-${2n ** 71n}`, size],
    ["an empty suffix", "k", "bytes=-0", size],
    ["of an empty object", "empty", "bytes=0-", 0],
  ])("%s: 416 with the size", async (_name, key, range, whole) => {
    const got = await store().get(bucket, key, { range });
    expect(refusal(got)).toEqual([416, "InvalidRange"]);
    expect(got.headers["content-range"]).toBe(`bytes */${whole}`);
  });

  test.each([
    ["several ranges", "bytes=0-1,5-6"],
    ["last before first", "bytes=9-5"],
    ["another unit", "lines=0-5"],
    ["no number", "bytes=a-b"],
    ["nothing", "bytes=-"],
    ["negative", "bytes=--5"],
  ])("%s are ignored: 200 with the whole", async (_name, range) => {
    const got = await store().get(bucket, "k", { range });
    expect([got.status, got.headers["content-range"]]).toEqual([200, undefined]);
    expect(got.bytes.equals(body)).toBe(true);
  });

  test("If-Range: the part while it is the same object, the whole otherwise", async () => {
    const range = "bytes=1-2";
    const modified = (await store().get(bucket, "k", { range })).headers["last-modified"] ?? "";
    expect((await store().get(bucket, "k", { range, "if-range": etag })).status).toBe(206);
    expect((await store().get(bucket, "k", { range, "if-range": modified })).status).toBe(206);
    for (const other of ['"0"', `W/${etag}`, "Mon, 01 Jan 2001 00:00:00 GMT"]) {
      const got = await store().get(bucket, "k", { range, "if-range": other });
      expect([other, got.status, got.bytes.length]).toEqual([other, 200, size]);
    }
    expect((await store().get(bucket, "k", { range: `bytes=${size}-`, "if-range": '"0"' })).status).toBe(200);
  });

  test("a condition is decided before the range", async () => {
    expect((await store().get(bucket, "k", { range: "bytes=0-1", "if-none-match": etag })).status).toBe(304);
    expect((await store().get(bucket, "k", { range: "bytes=0-1", "if-match": '"0"' })).status).toBe(412);
  });

  test("the parts of a hundred random ranges put together are the object", async () => {
    const cuts = [...new Set(Array.from({ length: 99 }, () => 1 + Math.floor(Math.random() * (size - 1))))];
    const edges = [0, ...cuts.sort((a, b) => a - b), size];
    const parts = await Promise.all(
      edges.slice(0, -1).map(async (first, index) => {
        const last = (edges[index + 1] ?? size) - 1;
        return (await store().get(bucket, "k", { range: `bytes=${first}-${last}` })).bytes;
      }),
    );
    expect(Buffer.concat(parts).equals(body)).toBe(true);
  });
});
