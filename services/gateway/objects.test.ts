import { createHash, randomBytes } from "node:crypto";
import { openWholeStore, type TestResponse, type WholeStore } from "./testing/whole-store";

let store: WholeStore;
beforeAll(async () => {
  store = await openWholeStore();
  expect((await store.fetch("/things", { method: "PUT" })).status).toBe(200);
});
afterAll(() => store.close());

const put = (path: string, body: NonNullable<RequestInit["body"]>, headers: Record<string, string> = {}) =>
  store.fetch(path, { method: "PUT", body, headers });
const codeOf = async (response: TestResponse) => (await response.json()).error.code;

test.each([
  ["dots", "/things/a/../b/./c"],
  ["slashes", "/things//a//b//"],
  ["an encoded slash", "/things/x%2Fy"],
  ["percent and plus", "/things/100%25+%2B"],
  ["a space and a newline", "/things/a%20b%0Ac"],
  ["an emoji", "/things/%F0%9F%98%80"],
  ["__proto__", "/things/__proto__"],
])("a key with %s is kept byte for byte", async (_name, path) => {
  const line = (method: string, body = "") =>
    `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${store.adminKey}\r\nConnection: close\r\n` +
    `${body === "" ? "" : `Content-Length: ${body.length}\r\n`}\r\n${body}`;
  expect(await store.raw(line("PUT", path))).toContain("HTTP/1.1 200");
  const got = await store.raw(line("GET"));
  expect(got).toContain("HTTP/1.1 200");
  expect(got.endsWith(`\r\n\r\n${path}`)).toBe(true);
  const key = decodeURIComponent(path.slice("/things/".length));
  const listed = await (await store.fetch(`/things?prefix=${encodeURIComponent(key)}`)).json();
  expect(listed.objects.map((object: { key: string }) => object.key)).toContain(key);
  expect(await store.raw(line("DELETE"))).toContain("HTTP/1.1 204");
});

test("headers and metadata come back with the body", async () => {
  const headers = {
    "content-type": "text/css",
    "cache-control": "max-age=5",
    "content-disposition": 'attachment; filename="a.css"',
    "content-encoding": "identity",
    "content-language": "de",
    expires: "Thu, 01 Dec 2050 16:00:00 GMT",
    "x-amz-meta-colour": "blue",
    "x-amz-meta-__proto__": "kept",
  };
  const stored = await put("/things/with-headers", "body{}", headers);
  expect(stored.status).toBe(200);
  const etag = createHash("md5").update("body{}").digest("hex");
  expect(stored.headers.get("etag")).toBe(`"${etag}"`);
  expect(await stored.json()).toMatchObject({ bucket: "things", key: "with-headers", etag, sizeBytes: 6 });
  for (const method of ["GET", "HEAD"]) {
    const response = await store.fetch("/things/with-headers", { method });
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      ...headers,
      etag: `"${etag}"`,
      "content-length": "6",
    });
    expect(response.headers.get("x-amz-request-id")).toMatch(/^[0-9A-F]{16}$/);
    expect(await response.text()).toBe(method === "GET" ? "body{}" : "");
  }
});

test("response-* parameters override what was stored", async () => {
  await put("/things/overridden", "x", { "content-type": "text/plain" });
  const response = await store.fetch(
    `/things/overridden?response-content-type=text%2Fhtml&response-content-disposition=${encodeURIComponent('inline; filename="☃"')}`,
  );
  expect(response.headers.get("content-type")).toBe("text/html");
  expect(Buffer.from(response.headers.get("content-disposition") ?? "", "latin1").toString()).toBe(
    'inline; filename="☃"',
  );
});

test("a body of many chunks goes in and out unchanged, with a length and without", async () => {
  const body = randomBytes(5 * 1024 * 1024 + 17);
  expect((await put("/things/large", body)).status).toBe(200);
  expect(Buffer.from(await (await store.fetch("/things/large")).arrayBuffer()).equals(body)).toBe(true);
  const stream = new ReadableStream({
    start(controller) {
      for (let at = 0; at < body.length; at += 100_000)
        controller.enqueue(new Uint8Array(body.subarray(at, at + 100_000)));
      controller.close();
    },
  });
  const chunked = await store.fetch("/things/chunked", {
    method: "PUT",
    body: stream,
    duplex: "half",
  } as RequestInit);
  expect(chunked.status).toBe(200);
  expect(Buffer.from(await (await store.fetch("/things/chunked")).arrayBuffer()).equals(body)).toBe(true);
});

test("an empty object is one", async () => {
  expect((await put("/things/empty", "")).status).toBe(200);
  const response = await store.fetch("/things/empty");
  expect([response.status, response.headers.get("content-length"), await response.text()]).toEqual([
    200,
    "0",
    "",
  ]);
});

describe("ranges", () => {
  beforeAll(async () => {
    await put("/things/ranged", "0123456789");
  });
  test.each([
    ["bytes=2-4", 206, "234", "bytes 2-4/10"],
    ["bytes=7-", 206, "789", "bytes 7-9/10"],
    ["bytes=-3", 206, "789", "bytes 7-9/10"],
    ["bytes=-100", 206, "0123456789", "bytes 0-9/10"],
    ["bytes=5-100", 206, "56789", "bytes 5-9/10"],
    ["bytes=0-1,4-5", 200, "0123456789", null],
    ["bytes=4-2", 200, "0123456789", null],
    ["lines=1-2", 200, "0123456789", null],
  ])("%s", async (range, status, text, contentRange) => {
    const response = await store.fetch("/things/ranged", { headers: { range } });
    expect([response.status, await response.text(), response.headers.get("content-range")]).toEqual([
      status,
      text,
      contentRange,
    ]);
  });
  test.each(["bytes=10-", "bytes=-0", "bytes=99-100"])("%s is out of bounds", async (range) => {
    const response = await store.fetch("/things/ranged", { headers: { range } });
    expect([response.status, response.headers.get("content-range")]).toEqual([416, "bytes */10"]);
    expect(await codeOf(response)).toBe("InvalidRange");
  });
  test("If-Range gives the part of the version that is named, else the whole", async () => {
    const etag = `"${createHash("md5").update("0123456789").digest("hex")}"`;
    const read = (ifRange: string) =>
      store.fetch("/things/ranged", { headers: { range: "bytes=0-0", "if-range": ifRange } });
    expect((await read(etag)).status).toBe(206);
    expect((await read('"other"')).status).toBe(200);
    expect((await read("Thu, 01 Dec 1994 16:00:00 GMT")).status).toBe(200);
  });
});

test("conditions of reads and writes hold", async () => {
  const first = await put("/things/conditional", "1", { "if-none-match": "*" });
  const etag = first.headers.get("etag") ?? "";
  expect(first.status).toBe(200);
  expect((await put("/things/conditional", "2", { "if-none-match": "*" })).status).toBe(412);
  expect((await put("/things/conditional", "2", { "if-match": '"other"' })).status).toBe(412);
  expect((await put("/things/conditional", "2", { "if-none-match": etag })).status).toBe(501);
  const notModified = await store.fetch("/things/conditional", { headers: { "if-none-match": etag } });
  expect([notModified.status, notModified.headers.get("etag"), await notModified.text()]).toEqual([
    304,
    etag,
    "",
  ]);
  expect((await store.fetch("/things/conditional", { headers: { "if-match": '"other"' } })).status).toBe(412);
  const future = new Date(Date.now() + 86_400_000).toUTCString();
  expect(
    (await store.fetch("/things/conditional", { headers: { "if-modified-since": future } })).status,
  ).toBe(304);
  expect(
    (
      await store.fetch("/things/conditional", {
        headers: { "if-unmodified-since": "Thu, 01 Dec 1994 16:00:00 GMT" },
      })
    ).status,
  ).toBe(412);
  expect(await (await store.fetch("/things/conditional")).text()).toBe("1");
  expect((await put("/things/conditional", "2", { "if-match": etag })).status).toBe(200);
});

describe("a body that is not what was said changes nothing", () => {
  const md5 = createHash("md5").update("other").digest("base64");
  test.each([
    ["Content-MD5", { "content-md5": md5 }, "BadDigest"],
    [
      "x-amz-checksum-sha256",
      { "x-amz-checksum-sha256": createHash("sha256").update("other").digest("base64") },
      "BadDigest",
    ],
    ["x-amz-checksum-crc32", { "x-amz-checksum-crc32": "AAAAAA==" }, "BadDigest"],
    [
      "x-amz-content-sha256",
      { "x-amz-content-sha256": createHash("sha256").update("other").digest("hex") },
      "BadDigest",
    ],
    ["a broken Content-MD5", { "content-md5": "abc" }, "InvalidDigest"],
    ["aws-chunked", { "content-encoding": "aws-chunked" }, "NotImplemented"],
    ["server-side encryption", { "x-amz-server-side-encryption": "AES256" }, "NotImplemented"],
    ["a public ACL", { "x-amz-acl": "public-read" }, "NotImplemented"],
    ["too much metadata", { "x-amz-meta-a": "v".repeat(2048) }, "MetadataTooLarge"],
    ["metadata beyond Latin-1", { "x-amz-meta-a": Buffer.from("☃").toString("latin1") }, "InvalidArgument"],
  ])("%s", async (_name, headers, code) => {
    const response = await put("/things/refused", "body", headers);
    expect(await codeOf(response)).toBe(code);
    expect((await store.fetch("/things/refused")).status).toBe(404);
  });
});

test("checksums are kept and shown to those who ask", async () => {
  const sha256 = createHash("sha256").update("body").digest("base64");
  const stored = await put("/things/summed", "body", { "x-amz-checksum-sha256": sha256 });
  expect(stored.headers.get("x-amz-checksum-sha256")).toBe(sha256);
  const asked = await store.fetch("/things/summed", { headers: { "x-amz-checksum-mode": "ENABLED" } });
  expect(asked.headers.get("x-amz-checksum-sha256")).toBe(sha256);
  expect((await store.fetch("/things/summed")).headers.get("x-amz-checksum-sha256")).toBeNull();
});

test("a copy brings body and headers, or new headers, and may be conditional", async () => {
  await put("/things/source", "copied", { "content-type": "text/css", "x-amz-meta-a": "1" });
  const copy = (path: string, headers: Record<string, string>) =>
    store.fetch(path, { method: "PUT", headers: { "x-amz-copy-source": "/things/source", ...headers } });
  const copied = await copy("/things/copy", {});
  expect(copied.status).toBe(200);
  expect(await copied.json()).toMatchObject({ bucket: "things", key: "copy", sizeBytes: 6 });
  const read = await store.fetch("/things/copy");
  expect([read.headers.get("content-type"), read.headers.get("x-amz-meta-a"), await read.text()]).toEqual([
    "text/css",
    "1",
    "copied",
  ]);
  await copy("/things/copy", { "x-amz-metadata-directive": "REPLACE", "content-type": "text/html" });
  const replaced = await store.fetch("/things/copy");
  expect([
    replaced.headers.get("content-type"),
    replaced.headers.get("x-amz-meta-a"),
    await replaced.text(),
  ]).toEqual(["text/html", null, "copied"]);
  expect((await copy("/things/copy", { "x-amz-copy-source-if-match": '"other"' })).status).toBe(412);
  expect((await copy("/things/copy", { "x-amz-copy-source": "/things/absent" })).status).toBe(404);
  expect((await copy("/things/copy", { "x-amz-copy-source": "/no-such-bucket/a" })).status).toBe(404);
  expect((await copy("/things/source", {})).status).toBe(400);
  expect((await copy("/things/source", { "x-amz-metadata-directive": "REPLACE" })).status).toBe(200);
  const xml = await copy("/things/copy2", { accept: "application/xml" });
  expect(await xml.text()).toMatch(
    /<CopyObjectResult .*<ETag>&quot;[0-9a-f]{32}&quot;<\/ETag><LastModified>/,
  );
});

test("a delete of what is absent is 204 too", async () => {
  await put("/things/deleted", "x");
  expect((await store.fetch("/things/deleted", { method: "DELETE" })).status).toBe(204);
  expect((await store.fetch("/things/deleted", { method: "DELETE" })).status).toBe(204);
  const gone = await store.fetch("/things/deleted");
  expect([gone.status, await codeOf(gone)]).toEqual([404, "NoSuchKey"]);
});

test("many keys are deleted at once, each with its outcome, in XML and JSON", async () => {
  for (const key of ["m1", "m2", "m3"]) await put(`/things/${key}`, "x");
  const long = "k".repeat(1025);
  const json = await store.fetch("/things?delete", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ objects: [{ key: "m1" }, { key: "absent" }, { key: long }] }),
  });
  expect(await json.json()).toEqual({
    deleted: [{ key: "m1" }, { key: "absent" }],
    errors: [{ key: long, code: "KeyTooLongError", message: expect.any(String) }],
  });
  const body =
    "<Delete><Quiet>true</Quiet><Object><Key>m2</Key></Object><Object><Key>m3</Key></Object></Delete>";
  const xml = await store.fetch("/things?delete", {
    method: "POST",
    headers: { accept: "application/xml", "content-md5": createHash("md5").update(body).digest("base64") },
    body,
  });
  expect(await xml.text()).toMatch(/<DeleteResult xmlns="[^"]*"><\/DeleteResult>$/);
  for (const key of ["m1", "m2", "m3"])
    expect((await store.fetch(`/things/${key}`, { method: "HEAD" })).status).toBe(404);
});

test.each([
  [
    "DOCTYPE",
    "application/xml",
    "<!DOCTYPE a><Delete><Object><Key>kept</Key></Object></Delete>",
    "MalformedXML",
  ],
  ["depth in XML", "application/xml", `${"<a>".repeat(50)}${"</a>".repeat(50)}`, "MalformedXML"],
  ["depth in JSON", "application/json", "[".repeat(50), "InvalidRequest"],
  [
    "__proto__",
    "application/json",
    '{"__proto__":{"quiet":true},"objects":[{"key":"kept"}]}',
    "InvalidRequest",
  ],
  ["too long a body", "application/json", " ".repeat(2 * 1024 * 1024 + 1), "MaxMessageLengthExceeded"],
])("a document with %s is refused and deletes nothing", async (_name, type, body, code) => {
  await put("/things/kept", "x");
  const response = await store.fetch("/things?delete", {
    method: "POST",
    headers: { "content-type": type },
    body,
  });
  expect([response.status, await codeOf(response)]).toEqual([400, code]);
  expect((await store.fetch("/things/kept", { method: "HEAD" })).status).toBe(200);
});
