import { openWholeStore, type WholeStore } from "./testing/whole-store";

let store: WholeStore;
beforeAll(async () => {
  store = await openWholeStore();
});
afterAll(() => store.close());

const json = async (path: string, init: RequestInit = {}) => (await store.fetch(path, init)).json();
const xml = async (path: string) =>
  (await store.fetch(path, { headers: { accept: "application/xml" } })).text();

test("a bucket is made, made again with no effect, seen, and deleted when it is empty", async () => {
  const made = await store.fetch("/life", { method: "PUT" });
  expect([made.status, made.headers.get("location")]).toEqual([200, "/life"]);
  expect(await made.json()).toMatchObject({ name: "life", created: true });
  expect(await json("/life", { method: "PUT" })).toMatchObject({ name: "life", created: false });
  const head = await store.fetch("/life", { method: "HEAD" });
  expect([head.status, head.headers.get("x-amz-bucket-region")]).toEqual([200, "us-east-1"]);
  expect((await json("/")).buckets).toContainEqual({ name: "life", createdAt: expect.any(String) });
  expect(await xml("/")).toContain("<Bucket><Name>life</Name><CreationDate>");
  await store.fetch("/life/k", { method: "PUT", body: "x" });
  expect((await json("/life", { method: "DELETE" })).error.code).toBe("BucketNotEmpty");
  await store.fetch("/life/k", { method: "DELETE" });
  expect((await store.fetch("/life", { method: "DELETE" })).status).toBe(204);
  expect((await store.fetch("/life", { method: "HEAD" })).status).toBe(404);
  expect((await json("/life/k")).error.code).toBe("NoSuchBucket");
  expect((await json("/life", { method: "DELETE" })).error.code).toBe("NoSuchBucket");
});

test("a bucket that is deleted and made anew serves at once", async () => {
  for (let round = 0; round < 3; round++) {
    expect((await store.fetch("/again", { method: "PUT" })).status).toBe(200);
    expect((await store.fetch("/again/k", { method: "PUT", body: String(round) })).status).toBe(200);
    expect(await (await store.fetch("/again/k")).text()).toBe(String(round));
    await store.fetch("/again/k", { method: "DELETE" });
    expect((await store.fetch("/again", { method: "DELETE" })).status).toBe(204);
  }
});

test.each([
  "ab",
  "Upper",
  "under_score",
  "a..b",
  "192.168.0.1",
  "health",
  "-a-",
  "x".repeat(64),
  "%20%20%20",
])("no bucket is named %s", async (name) => {
  const response = await store.fetch(`/${name}`, { method: "PUT" });
  expect([response.status, (await response.json()).error.code]).toEqual([400, "InvalidBucketName"]);
});

test("a location is this region or none", async () => {
  const create = (location: string) =>
    store.fetch("/located", {
      method: "PUT",
      body: `<CreateBucketConfiguration><LocationConstraint>${location}</LocationConstraint></CreateBucketConfiguration>`,
    });
  expect((await create("mars-1")).status).toBe(400);
  expect((await store.fetch("/located", { method: "HEAD" })).status).toBe(404);
  expect((await create("us-east-1")).status).toBe(200);
});

describe("listing", () => {
  const keys = ["a", "a b", "a/1", "a/2", "b/1", "c&<", "z\n", "é", "\u{ffff}", "😀"];
  const order = [...keys].sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
  beforeAll(async () => {
    await store.fetch("/listed", { method: "PUT" });
    for (const key of keys)
      await store.fetch(`/listed/${encodeURIComponent(key)}`, { method: "PUT", body: "x" });
  });

  test("pages follow each other in the order of UTF-8 bytes and hold each key once", async () => {
    const seen: string[] = [];
    let token = "";
    for (let page = 0; page < 20; page++) {
      const query = `max-keys=3${token === "" ? "" : `&continuation-token=${encodeURIComponent(token)}`}`;
      const body = await json(`/listed?${query}`);
      seen.push(...body.objects.map((object: { key: string }) => object.key));
      if (!body.isTruncated) break;
      token = body.nextContinuationToken;
    }
    expect(seen).toEqual(order);
  });

  test("prefix, delimiter, start-after and max-keys=0", async () => {
    const page = await json("/listed?delimiter=/");
    expect(page.commonPrefixes).toEqual(["a/", "b/"]);
    expect(page.keyCount).toBe(page.objects.length + 2);
    expect((await json("/listed?prefix=a/")).objects.map(({ key }: { key: string }) => key)).toEqual([
      "a/1",
      "a/2",
    ]);
    expect((await json("/listed?start-after=a/1&max-keys=1")).objects[0].key).toBe("a/2");
    expect(await json("/listed?max-keys=0")).toMatchObject({ objects: [], isTruncated: false });
  });

  test("a token serves only the listing that it was made for", async () => {
    const { nextContinuationToken: token } = await json("/listed?max-keys=1");
    const continued = async (query: string) =>
      (await json(`/listed?continuation-token=${token}${query}`)).error?.code;
    expect(await continued("")).toBeUndefined();
    expect(await continued("&prefix=a")).toBe("InvalidArgument");
    expect(await continued("&delimiter=/")).toBe("InvalidArgument");
    expect((await json(`/listed?continuation-token=${token.slice(0, -2)}AA`)).error.code).toBe(
      "InvalidArgument",
    );
    expect((await json("/listed?continuation-token=YWJj")).error.code).toBe("InvalidArgument");
  });

  test("XML escapes what it must, and encodes keys on demand", async () => {
    const plain = await xml("/listed?list-type=2");
    expect(plain).toContain("<Key>c&amp;&lt;</Key>");
    expect(plain).toContain("<Key>z&#xA;</Key>");
    expect(plain).toContain("<KeyCount>10</KeyCount>");
    const encoded = await xml("/listed?list-type=2&encoding-type=url&prefix=a%20");
    expect(encoded).toContain("<Prefix>a%20</Prefix>");
    expect(encoded).toContain("<Key>a%20b</Key>");
    expect(encoded).toContain("<EncodingType>url</EncodingType>");
  });

  test("version 1 goes on by markers", async () => {
    const first = await xml("/listed?max-keys=2");
    expect(first).toContain("<IsTruncated>true</IsTruncated>");
    expect(first).toContain(`<NextMarker>${order[1]}</NextMarker>`);
    expect(await xml(`/listed?max-keys=1&marker=${encodeURIComponent(order[1] ?? "")}`)).toContain(
      `<Key>${order[2]}</Key>`,
    );
  });
});

test.each([
  "GET /listed?policy",
  "GET /listed?versions",
  "PUT /listed?versioning",
  "PUT /listed/k?tagging",
  "GET /listed/k?uploadId=1",
])("%s is answered as not implemented", async (line) => {
  const [method = "", path = ""] = line.split(" ");
  const response = await store.fetch(path, { method });
  expect([response.status, (await response.json()).error.code]).toEqual([501, "NotImplemented"]);
});
