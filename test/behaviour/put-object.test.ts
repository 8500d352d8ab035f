import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { inFourWays, inOneWay, refusal } from "../support/behaviour";

const md5 = (bytes: string | Uint8Array) => createHash("md5").update(bytes).digest("hex");

async function* inPieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += pieceBytes)
    yield bytes.subarray(offset, offset + pieceBytes);
}

inFourWays((store) => {
  test.each([
    ["no byte", 0],
    ["one byte", 1],
    ["a block less one", 65_535],
    ["a block", 65_536],
    ["a block and one", 65_537],
    ["many chunks", 3 * 1024 * 1024 + 17],
  ])("an object of %s comes back byte for byte, its ETag the MD5", async (_name, size) => {
    const bucket = await store().bucket();
    const body = randomBytes(size);
    const put = await store().put(bucket, "k", body);
    expect([put.status, put.headers.etag]).toEqual([200, `"${md5(body)}"`]);
    expect(put.json).toMatchObject({ bucket, key: "k", etag: md5(body), sizeBytes: size });
    const got = await store().get(bucket, "k");
    expect([got.status, got.headers["content-length"], got.headers.etag]).toEqual([
      200,
      String(size),
      `"${md5(body)}"`,
    ]);
    expect(got.bytes.equals(body)).toBe(true);
  });

  test("a body without Content-Length, in chunked coding, is stored like any other", async () => {
    const bucket = await store().bucket();
    const body = randomBytes(1_500_001);
    for (const pieceBytes of [7_919, 65_536, 1_500_001]) {
      const put = await store().ask("PUT", `/${bucket}/k`, { body: inPieces(body, pieceBytes) });
      expect([put.status, put.json.sizeBytes]).toEqual([200, body.length]);
      expect((await store().get(bucket, "k")).bytes.equals(body)).toBe(true);
    }
    const empty = await store().ask("PUT", `/${bucket}/empty`, { body: inPieces(Buffer.alloc(0), 1) });
    expect([empty.status, empty.json.sizeBytes]).toEqual([200, 0]);
  });

  test("a second PUT replaces the first, for readers and listings at once", async () => {
    const bucket = await store().bucket();
    for (let round = 0; round < 5; round++) {
      const body = `round ${round} ${"x".repeat(round * 1000)}`;
      expect((await store().put(bucket, "k", body)).status).toBe(200);
      expect((await store().get(bucket, "k")).text).toBe(body);
      const { objects } = (await store().ask("GET", `/${bucket}`)).json;
      expect(objects).toEqual([
        { key: "k", sizeBytes: body.length, etag: md5(body), lastModified: expect.any(String) },
      ]);
    }
  });

  test("a reader of the old object ends with the old bytes while it is replaced", async () => {
    const bucket = await store().bucket();
    const old = randomBytes(8 * 1024 * 1024);
    await store().put(bucket, "k", old);
    const socket = store().socket();
    const chunks: Buffer[] = [];
    socket.write(`${store().head("GET", `/${bucket}/k`, "Connection: close")}\r\n`);
    await once(socket, "readable");
    expect((await store().put(bucket, "k", "new")).status).toBe(200);
    socket.on("data", (chunk) => chunks.push(chunk));
    await new Promise((resolve) => socket.once("end", resolve));
    const answer = Buffer.concat(chunks);
    expect(answer.subarray(answer.indexOf("\r\n\r\n") + 4).equals(old)).toBe(true);
    expect((await store().get(bucket, "k")).text).toBe("new");
  });

  test("a hundred objects at once are all there, each with its own bytes", async () => {
    const bucket = await store().bucket();
    const keys = Array.from({ length: 100 }, (_, number) => `many/${number}`);
    const puts = await Promise.all(keys.map((key) => store().put(bucket, key, `body of ${key}`)));
    expect(new Set(puts.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await store().keys(bucket)).toEqual([...keys].sort());
    const got = await Promise.all(keys.map((key) => store().get(bucket, key)));
    expect(got.map(({ text }) => text)).toEqual(keys.map((key) => `body of ${key}`));
  });

  test("a PUT into a bucket that does not exist makes neither", async () => {
    const answer = await store().put("no-such-bucket-here", "k", "x");
    expect(refusal(answer)).toEqual([404, "NoSuchBucket"]);
    expect((await store().ask("HEAD", "/no-such-bucket-here")).status).toBe(404);
  });

  describe("a body that is not what was said leaves the object as it was", () => {
    const before = "as it was";
    let bucket: string;
    beforeAll(async () => {
      bucket = await store().bucket();
      await store().put(bucket, "k", before, { "x-amz-meta-a": "b" });
    });
    const isUntouched = async () => {
      const got = await store().get(bucket, "k");
      expect([got.status, got.text, got.headers["x-amz-meta-a"]]).toEqual([200, before, "b"]);
      expect(await store().keys(bucket)).toEqual(["k"]);
      expect((await store().get(bucket, "new")).status).toBe(404);
    };

    test.each([["k"], ["new"]])("shorter than said, the connection ended: %s", async (key) => {
      const answer = await store().raw(
        `${store().head("PUT", `/${bucket}/${key}`, "Content-Length: 100")}\r\nonly this`,
        { endAfter: true },
      );
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expect(answer).toContain("IncompleteBody");
      await isUntouched();
    });

    test("longer than said: what follows is not part of it", async () => {
      const answer = await store().raw(
        `${store().head("PUT", `/${bucket}/longer`, "Content-Length: 3")}\r\nabcdef\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 200 /);
      expect(answer).toContain("HTTP/1.1 400");
      expect((await store().get(bucket, "longer")).text).toBe("abc");
      expect((await store().ask("DELETE", `/${bucket}/longer`)).status).toBe(204);
      await isUntouched();
    });

    test.each([["k"], ["new"]])("cut off in the middle of a large body: %s", async (key) => {
      const { hostname, port } = new URL(store().url);
      const socket = connect(Number(port), hostname);
      socket.on("error", () => {});
      socket.write(`${store().head("PUT", `/${bucket}/${key}`, "Content-Length: 5000000")}\r\n`);
      await new Promise((resolve) => socket.write(randomBytes(2_000_000), resolve));
      socket.resetAndDestroy();
      await new Promise((resolve) => socket.once("close", resolve));
      await isUntouched();
    });

    test("cut off in the middle of chunked coding", async () => {
      const answer = await store().raw(
        `${store().head("PUT", `/${bucket}/k`, "Transfer-Encoding: chunked")}\r\n5\r\nhello\r\n`,
        { endAfter: true },
      );
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      await isUntouched();
    });

    test("broken chunked coding", async () => {
      const answer = await store().raw(
        `${store().head("PUT", `/${bucket}/k`, "Transfer-Encoding: chunked")}\r\n5\r\nhello\r\nzz\r\n`,
        { endAfter: true },
      );
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      await isUntouched();
    });
  });
});

inOneWay((store) => {
  test("without length and coding a PUT is 411 and makes nothing", async () => {
    const bucket = await store().bucket();
    const answer = await store().raw(`${store().head("PUT", `/${bucket}/k`, "Connection: close")}\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 411 /);
    expect(await store().keys(bucket)).toEqual([]);
  });

  test("an object said to be larger than 5 TiB is refused before a byte is read", async () => {
    const bucket = await store().bucket();
    const answer = await store().raw(
      `${store().head("PUT", `/${bucket}/k`, `Content-Length: ${5 * 1024 ** 4 + 1}`, "Expect: 100-continue")}\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain("EntityTooLarge");
    expect(answer).not.toContain("100 Continue");
    expect(await store().keys(bucket)).toEqual([]);
  });

  test("100 Continue is sent only to those who may write", async () => {
    const bucket = await store().bucket();
    const ask = (key: string, path: string) =>
      `PUT ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\n`;
    expect(await store().raw(ask("s3_key_wrong", `/${bucket}/k`))).toMatch(/^HTTP\/1\.1 401 /);
    expect(await store().raw(ask(store().adminKey, "/no-such-bucket/k"))).toMatch(/^HTTP\/1\.1 404 /);
    const accepted = await store().raw(`${ask(store().adminKey, `/${bucket}/k`)}abc`);
    expect(accepted).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
  });

  test.each([
    ["x-amz-server-side-encryption", "AES256"],
    ["x-amz-tagging", "a=b"],
    ["x-amz-acl", "public-read"],
    ["x-amz-storage-class", "GLACIER"],
    ["x-amz-object-lock-mode", "GOVERNANCE"],
  ])("%s, which is not implemented, is refused and not ignored", async (name, value) => {
    const bucket = await store().bucket();
    expect(refusal(await store().put(bucket, "k", "x", { [name]: value }))).toEqual([501, "NotImplemented"]);
    expect(await store().keys(bucket)).toEqual([]);
  });
});
