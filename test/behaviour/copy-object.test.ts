import { randomBytes } from "node:crypto";
import { inFourWays, refusal } from "../support/behaviour";
import { encodeKey } from "../support/http";
import { until } from "../support/until";

inFourWays((store) => {
  let bucket: string;
  beforeAll(async () => {
    bucket = await store().bucket();
  });
  const copy = (source: string, target: string, headers: Record<string, string> = {}) =>
    store().ask("PUT", `/${bucket}/${encodeKey(target)}`, {
      headers: { "x-amz-copy-source": source, ...headers },
    });

  test("a copy has the bytes, the ETag and the headers of its source", async () => {
    const body = randomBytes(1_000_000);
    const put = await store().put(bucket, "source", body, {
      "content-type": "image/png",
      "x-amz-meta-a": "b",
    });
    const copied = await copy(`/${bucket}/source`, "target");
    expect([copied.status, copied.json]).toEqual([
      200,
      {
        bucket,
        key: "target",
        etag: put.json.etag,
        lastModified: expect.any(String),
        sizeBytes: body.length,
      },
    ]);
    const got = await store().get(bucket, "target");
    expect(got.bytes.equals(body)).toBe(true);
    expect(got.headers).toMatchObject({
      "content-type": "image/png",
      "x-amz-meta-a": "b",
      etag: put.headers.etag,
    });
  });

  test("a copy moves no bytes: the nodes hold as many blobs as before", async () => {
    await store().put(bucket, "unmoved", randomBytes(300_000));
    // Nodes tell how many blobs they hold in their heartbeats, so a count is awaited, not asked.
    const blobs = async () =>
      (await store().api("GET", "/nodes")).json.nodes
        .flatMap((node: { volumes: { blobs: number }[] }) => node.volumes)
        .reduce((sum: number, volume: { blobs: number }) => sum + volume.blobs, 0);
    // This one and the test before it.
    const uploads = 2;
    await until(async () => (await blobs()) === 3 * uploads);
    for (let number = 0; number < 5; number++)
      expect((await copy(`/${bucket}/unmoved`, `unmoved-${number}`)).status).toBe(200);
    await store().put(bucket, "behind-the-copies", randomBytes(300_000));
    await until(async () => (await blobs()) >= 3 * (uploads + 1));
    expect(await blobs()).toBe(3 * (uploads + 1));
  });

  test("the copy lives on when its source is deleted or replaced", async () => {
    await store().put(bucket, "parent", "bytes");
    await copy(`/${bucket}/parent`, "child");
    await copy(`/${bucket}/child`, "grandchild");
    await store().put(bucket, "parent", "other bytes");
    await store().ask("DELETE", `/${bucket}/child`);
    expect((await store().get(bucket, "grandchild")).text).toBe("bytes");
    expect((await store().get(bucket, "parent")).text).toBe("other bytes");
  });

  test("REPLACE takes the request's headers, COPY the source's", async () => {
    await store().put(bucket, "dressed", "x", { "content-type": "text/css", "x-amz-meta-old": "1" });
    const other = { "content-type": "text/html", "x-amz-meta-new": "2" };
    await copy(`/${bucket}/dressed`, "replaced", { ...other, "x-amz-metadata-directive": "REPLACE" });
    await copy(`/${bucket}/dressed`, "copied", { ...other, "x-amz-metadata-directive": "COPY" });
    const replaced = (await store().get(bucket, "replaced")).headers;
    expect([replaced["content-type"], replaced["x-amz-meta-old"], replaced["x-amz-meta-new"]]).toEqual([
      "text/html",
      undefined,
      "2",
    ]);
    const copied = (await store().get(bucket, "copied")).headers;
    expect([copied["content-type"], copied["x-amz-meta-old"], copied["x-amz-meta-new"]]).toEqual([
      "text/css",
      "1",
      undefined,
    ]);
  });

  test("onto itself only when the metadata changes", async () => {
    await store().put(bucket, "self", "x", { "x-amz-meta-a": "1" });
    expect(refusal(await copy(`/${bucket}/self`, "self"))).toEqual([400, "InvalidRequest"]);
    const changed = await copy(`/${bucket}/self`, "self", {
      "x-amz-metadata-directive": "REPLACE",
      "x-amz-meta-a": "2",
    });
    expect(changed.status).toBe(200);
    const got = await store().get(bucket, "self");
    expect([got.text, got.headers["x-amz-meta-a"]]).toEqual(["x", "2"]);
  });

  test("conditions of the source and of the target, each without effect when it fails", async () => {
    const etag = (await store().put(bucket, "guarded", "x")).headers.etag ?? "";
    await store().put(bucket, "taken", "kept");
    const cases: [Record<string, string>, number][] = [
      [{ "x-amz-copy-source-if-match": '"0"' }, 412],
      [{ "x-amz-copy-source-if-none-match": etag }, 412],
      [{ "x-amz-copy-source-if-unmodified-since": "Mon, 01 Jan 2001 00:00:00 GMT" }, 412],
      [{ "x-amz-copy-source-if-modified-since": "Fri, 01 Jan 2100 00:00:00 GMT" }, 412],
      [{ "if-none-match": "*" }, 412],
      [{ "if-match": '"0"' }, 412],
    ];
    for (const [headers, status] of cases) {
      expect([headers, (await copy(`/${bucket}/guarded`, "taken", headers)).status]).toEqual([
        headers,
        status,
      ]);
      expect((await store().get(bucket, "taken")).text).toBe("kept");
    }
    expect((await copy(`/${bucket}/guarded`, "taken", { "x-amz-copy-source-if-match": etag })).status).toBe(
      200,
    );
    expect((await store().get(bucket, "taken")).text).toBe("x");
  });

  test("a source that is not there, or not the caller's, makes nothing", async () => {
    expect(refusal(await copy(`/${bucket}/absent`, "none"))).toEqual([404, "NoSuchKey"]);
    expect(refusal(await copy("/no-such-bucket-here/k", "none"))).toEqual([404, "NoSuchBucket"]);
    const owner = await store().makeKey();
    const thief = await store().makeKey();
    const theirs = await store().bucket(owner.http);
    await owner.http.ask("PUT", `/${theirs}/secret`, { body: "secret" });
    const own = await store().bucket(thief.http);
    for (const key of ["secret", "absent"]) {
      const answer = await thief.http.ask("PUT", `/${own}/loot`, {
        headers: { "x-amz-copy-source": `/${theirs}/${key}` },
      });
      expect(refusal(answer)).toEqual([403, "AccessDenied"]);
    }
    expect((await thief.http.ask("GET", `/${own}`)).json.objects).toEqual([]);
    expect((await store().get(bucket, "none")).status).toBe(404);
  });

  test("a source's key is percent-decoded once, like a path", async () => {
    for (const key of ["a b", "a+b", "100%", "x%2Fy", "é/\u{1F600}", "what?"]) {
      await store().put(bucket, key, `body of ${key}`);
      expect((await copy(`${bucket}/${encodeKey(key)}`, "decoded")).status).toBe(200);
      expect((await store().get(bucket, "decoded")).text).toBe(`body of ${key}`);
    }
  });

  test.each([["nonsense"], ["/"], ["/only-bucket/"], [""], ["/b/%zz"]])(
    "the source %j is refused and makes nothing",
    async (source) => {
      const answer = await copy(source, "from-nonsense");
      expect(answer.status).toBe(400);
      expect((await store().get(bucket, "from-nonsense")).status).toBe(404);
    },
  );

  test("XML for those who ask for it", async () => {
    await store().put(bucket, "x", "x");
    const answer = await copy(`/${bucket}/x`, "y", { accept: "application/xml" });
    expect(answer.text).toMatch(/<CopyObjectResult .*<ETag>&quot;[0-9a-f]{32}&quot;<\/ETag>/s);
  });
});
