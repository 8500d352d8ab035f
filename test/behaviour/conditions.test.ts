import { inFourWays, inOneWay, refusal } from "../support/behaviour";

const past = "Mon, 01 Jan 2001 00:00:00 GMT";
const future = "Fri, 01 Jan 2100 00:00:00 GMT";
const wrong = '"00000000000000000000000000000000"';

inFourWays((store) => {
  let bucket: string;
  let etag: string;
  beforeAll(async () => {
    bucket = await store().bucket();
    etag = (await store().put(bucket, "read", "content")).headers.etag ?? "";
  });

  const reads: [string, () => Record<string, string>, number][] = [
    ["If-Match that holds", () => ({ "if-match": etag }), 200],
    ["If-Match of a list", () => ({ "if-match": `${wrong}, ${etag}` }), 200],
    ["If-Match *", () => ({ "if-match": "*" }), 200],
    ["If-Match that does not hold", () => ({ "if-match": wrong }), 412],
    ["If-Match with a weak tag", () => ({ "if-match": `W/${etag}` }), 412],
    ["If-None-Match that does not hold", () => ({ "if-none-match": wrong }), 200],
    ["If-None-Match that holds", () => ({ "if-none-match": etag }), 304],
    ["If-None-Match with a weak tag", () => ({ "if-none-match": `W/${etag}` }), 304],
    ["If-None-Match *", () => ({ "if-none-match": "*" }), 304],
    ["If-Modified-Since before", () => ({ "if-modified-since": past }), 200],
    ["If-Modified-Since after", () => ({ "if-modified-since": future }), 304],
    ["If-Modified-Since that is no date", () => ({ "if-modified-since": "yesterday" }), 200],
    ["If-Unmodified-Since after", () => ({ "if-unmodified-since": future }), 200],
    ["If-Unmodified-Since before", () => ({ "if-unmodified-since": past }), 412],
    ["If-Match over If-Unmodified-Since", () => ({ "if-match": etag, "if-unmodified-since": past }), 200],
    [
      "If-None-Match over If-Modified-Since",
      () => ({ "if-none-match": wrong, "if-modified-since": future }),
      200,
    ],
    ["If-None-Match that holds, modified", () => ({ "if-none-match": etag, "if-modified-since": past }), 304],
    ["412 before 304", () => ({ "if-match": wrong, "if-none-match": etag }), 412],
    ["304 with If-Match that holds", () => ({ "if-match": etag, "if-none-match": etag }), 304],
  ];
  test.each(reads)("a read with %s", async (_name, headers, status) => {
    for (const method of ["GET", "HEAD"]) {
      const answer = await store().ask(method, `/${bucket}/read`, { headers: headers() });
      expect([method, answer.status]).toEqual([method, status]);
      if (status === 304) expect([answer.text, answer.headers.etag]).toEqual(["", etag]);
      if (status === 412 && method === "GET") expect(refusal(answer)).toEqual([412, "PreconditionFailed"]);
    }
  });

  test("If-None-Match: * writes only where there is nothing, and changes nothing otherwise", async () => {
    const first = await store().put(bucket, "once", "first", { "if-none-match": "*" });
    expect(first.status).toBe(200);
    const second = await store().put(bucket, "once", "second", { "if-none-match": "*", "x-amz-meta-a": "b" });
    expect(refusal(second)).toEqual([412, "PreconditionFailed"]);
    const got = await store().get(bucket, "once");
    expect([got.text, got.headers["x-amz-meta-a"]]).toEqual(["first", undefined]);
    await store().ask("DELETE", `/${bucket}/once`);
    expect((await store().put(bucket, "once", "third", { "if-none-match": "*" })).status).toBe(200);
  });

  test("If-Match replaces only the version that is known, and changes nothing otherwise", async () => {
    const known = (await store().put(bucket, "swap", "one")).headers.etag ?? "";
    expect((await store().put(bucket, "swap", "two", { "if-match": known })).status).toBe(200);
    expect(refusal(await store().put(bucket, "swap", "three", { "if-match": known }))).toEqual([
      412,
      "PreconditionFailed",
    ]);
    expect((await store().get(bucket, "swap")).text).toBe("two");
    const absent = await store().put(bucket, "absent", "x", { "if-match": known });
    expect(refusal(absent)).toEqual([404, "NoSuchKey"]);
    expect((await store().get(bucket, "absent")).status).toBe(404);
  });

  test("DELETE with If-Match deletes only the version that is known", async () => {
    const known = (await store().put(bucket, "del", "one")).headers.etag ?? "";
    expect((await store().ask("DELETE", `/${bucket}/del`, { headers: { "if-match": wrong } })).status).toBe(
      412,
    );
    expect((await store().get(bucket, "del")).text).toBe("one");
    expect((await store().ask("DELETE", `/${bucket}/del`, { headers: { "if-match": known } })).status).toBe(
      204,
    );
    expect((await store().get(bucket, "del")).status).toBe(404);
  });
});

inOneWay((store) => {
  test("If-None-Match of a write with a tag is refused, as S3 does", async () => {
    const bucket = await store().bucket();
    expect(refusal(await store().put(bucket, "k", "x", { "if-none-match": wrong }))).toEqual([
      501,
      "NotImplemented",
    ]);
    expect(await store().keys(bucket)).toEqual([]);
  });

  test("a condition that fails is answered before a body is sent for nothing", async () => {
    const bucket = await store().bucket();
    await store().put(bucket, "k", "x");
    const answer = await store().raw(
      `${store().head("PUT", `/${bucket}/k`, "If-None-Match: *", "Expect: 100-continue", "Content-Length: 9", "Connection: close")}\r\n123456789`,
    );
    expect(answer).toContain("HTTP/1.1 412");
    expect((await store().get(bucket, "k")).text).toBe("x");
  });
});
