import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { inFourWays, inOneWay, refusal } from "../support/behaviour";

inFourWays((store) => {
  test("GET and HEAD say the same of an object; HEAD without its bytes", async () => {
    const bucket = await store().bucket();
    const startedAtMs = Date.now();
    await store().put(bucket, "k", "hello", { "content-type": "text/plain", "x-amz-meta-a": "b" });
    const got = await store().get(bucket, "k");
    const head = await store().ask("HEAD", `/${bucket}/k`);
    expect([got.status, got.text, head.status, head.text]).toEqual([200, "hello", 200, ""]);
    const facts = [
      "content-type",
      "content-length",
      "etag",
      "last-modified",
      "accept-ranges",
      "x-amz-meta-a",
    ];
    for (const name of facts) expect([name, head.headers[name]]).toEqual([name, got.headers[name]]);
    expect(got.headers).toMatchObject({
      "content-type": "text/plain",
      "content-length": "5",
      "accept-ranges": "bytes",
      etag: `"${createHash("md5").update("hello").digest("hex")}"`,
    });
    const modifiedMs = Date.parse(got.headers["last-modified"] ?? "");
    expect(Math.abs(modifiedMs - startedAtMs)).toBeLessThan(5_000);
    expect(got.headers["x-amz-request-id"]).toMatch(/^[0-9A-F]{16}$/);
  });

  test("an absent key is 404 NoSuchKey; an absent bucket 404 NoSuchBucket", async () => {
    const bucket = await store().bucket();
    expect(refusal(await store().get(bucket, "absent"))).toEqual([404, "NoSuchKey"]);
    expect(refusal(await store().get("no-such-bucket-at-all", "k"))).toEqual([404, "NoSuchBucket"]);
    const head = await store().ask("HEAD", `/${bucket}/absent`);
    expect([head.status, head.text]).toEqual([404, ""]);
  });

  test("response-* parameters override what was stored, for that answer alone", async () => {
    const bucket = await store().bucket();
    await store().put(bucket, "k", "x", { "content-type": "text/plain", "cache-control": "no-store" });
    const query =
      "response-content-type=text%2Fhtml&response-cache-control=max-age%3D9&response-content-language=de" +
      "&response-content-encoding=identity&response-expires=Thu%2C%2001%20Dec%202050%2016%3A00%3A00%20GMT" +
      "&response-content-disposition=attachment%3B%20filename%3D%22a.txt%22";
    for (const method of ["GET", "HEAD"]) {
      const answer = await store().ask(method, `/${bucket}/k?${query}`);
      expect(answer.headers).toMatchObject({
        "content-type": "text/html",
        "cache-control": "max-age=9",
        "content-language": "de",
        "content-encoding": "identity",
        expires: "Thu, 01 Dec 2050 16:00:00 GMT",
        "content-disposition": 'attachment; filename="a.txt"',
      });
    }
    expect((await store().get(bucket, "k")).headers).toMatchObject({
      "content-type": "text/plain",
      "cache-control": "no-store",
    });
  });

  test("DELETE answers 204, also for what is not there, and the object is gone at once", async () => {
    const bucket = await store().bucket();
    await store().put(bucket, "k", "x");
    for (let time = 0; time < 2; time++)
      expect((await store().ask("DELETE", `/${bucket}/k`)).status).toBe(204);
    expect((await store().ask("DELETE", `/${bucket}/never-was`)).status).toBe(204);
    expect((await store().get(bucket, "k")).status).toBe(404);
    expect(await store().keys(bucket)).toEqual([]);
  });

  test("a download that began before the delete ends with all of its bytes", async () => {
    const bucket = await store().bucket();
    const body = randomBytes(8 * 1024 * 1024);
    await store().put(bucket, "k", body);
    const socket = store().socket();
    socket.write(`${store().head("GET", `/${bucket}/k`, "Connection: close")}\r\n`);
    await once(socket, "readable");
    expect((await store().ask("DELETE", `/${bucket}/k`)).status).toBe(204);
    const chunks: Buffer[] = [];
    socket.on("data", (chunk) => chunks.push(chunk));
    await once(socket, "end");
    const answer = Buffer.concat(chunks);
    expect(answer.subarray(answer.indexOf("\r\n\r\n") + 4).equals(body)).toBe(true);
  });
});

inOneWay((store) => {
  test("an override with control characters is refused: it could forge header fields", async () => {
    const bucket = await store().bucket();
    await store().put(bucket, "k", "x");
    const answer = await store().ask("GET", `/${bucket}/k?response-content-type=a%0D%0ASet-Cookie%3A%20b`);
    expect(refusal(answer)).toEqual([400, "InvalidArgument"]);
    expect(answer.headers["set-cookie"]).toBeUndefined();
  });
});
