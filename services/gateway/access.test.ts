import { ManualClock } from "../common/time/manual-clock";
import { openWholeStore, type TestResponse, type WholeStore } from "./testing/whole-store";

let store: WholeStore;
beforeAll(async () => {
  store = await openWholeStore();
  await store.fetch("/admins", { method: "PUT" });
  await store.fetch("/admins/there", { method: "PUT", body: "x" });
});
afterAll(() => store.close());

const codeOf = async (response: TestResponse) => [response.status, (await response.json()).error.code];

test("a missing, unknown, malformed or unsupported key is 401 and says what to send", async () => {
  expect(
    await codeOf(await store.fetch("/admins", { key: null, headers: { accept: "application/json" } })),
  ).toEqual([401, "AccessDenied"]);
  expect(await codeOf(await store.fetch("/admins", { key: `s3_key_${"0".repeat(64)}` }))).toEqual([
    401,
    "InvalidAccessKeyId",
  ]);
  expect(await codeOf(await store.fetch("/admins", { key: "x".repeat(5000) }))).toEqual([
    401,
    "InvalidAccessKeyId",
  ]);
  const signed = await store.fetch("/admins", {
    headers: { authorization: "AWS4-HMAC-SHA256 Credential=a" },
  });
  expect([signed.status, signed.headers.get("content-type")]).toEqual([401, "application/xml"]);
  expect(await signed.text()).toContain("AWS signatures are not implemented yet");
  const presigned = await store.fetch("/admins/there?X-Amz-Signature=abc&X-Amz-Credential=a", { key: null });
  expect(await presigned.text()).toContain("a presigned URL");
});

test("another user's bucket is 403 whether or not the key exists, an absent bucket 404", async () => {
  const { text: key } = await store.makeKey({ userName: "stranger", permissions: ["read", "write"] });
  for (const path of ["/admins/there", "/admins/absent", "/admins"]) {
    expect(await codeOf(await store.fetch(path, { key }))).toEqual([403, "AccessDenied"]);
  }
  expect((await store.fetch("/admins/absent", { key, method: "PUT", body: "x" })).status).toBe(403);
  expect((await store.fetch("/admins/there", { key, method: "DELETE" })).status).toBe(403);
  expect((await store.fetch("/admins", { key, method: "DELETE" })).status).toBe(403);
  expect(await codeOf(await store.fetch("/absent-bucket/k", { key }))).toEqual([404, "NoSuchBucket"]);
  expect(await codeOf(await store.fetch("/admins", { key, method: "PUT" }))).toEqual([
    409,
    "BucketAlreadyExists",
  ]);
  const copy = { key, method: "PUT", headers: { "x-amz-copy-source": "/admins/there" } };
  await store.fetch("/strangers", { key, method: "PUT" });
  expect((await store.fetch("/strangers/stolen", copy)).status).toBe(403);
  expect(
    (await (await store.fetch("/", { key })).json()).buckets.map(({ name }: { name: string }) => name),
  ).toEqual(["strangers"]);
  expect(await (await store.fetch("/admins/there")).text()).toBe("x");
});

test("permissions and bucket lists bound a key", async () => {
  const reader = await store.makeKey({ userName: "reader", permissions: ["read"] });
  expect((await store.fetch("/readers", { key: reader.text, method: "PUT" })).status).toBe(403);
  const owner = await store.makeKey({ userName: "owner", permissions: ["admin"] });
  for (const name of ["first", "second"])
    await store.fetch(`/owned-${name}`, { key: owner.text, method: "PUT" });
  const limited = await (
    await store.fetch(`/_/api/v1/users/${owner.userId}/keys`, {
      key: owner.text,
      method: "POST",
      body: JSON.stringify({ name: "one bucket", permissions: ["write", "read"], buckets: ["owned-first"] }),
    })
  ).json();
  expect((await store.fetch("/owned-first/k", { key: limited.text, method: "PUT", body: "x" })).status).toBe(
    200,
  );
  expect((await store.fetch("/owned-second/k", { key: limited.text, method: "PUT", body: "x" })).status).toBe(
    403,
  );
  expect(
    (await (await store.fetch("/", { key: limited.text })).json()).buckets.map(
      ({ name }: { name: string }) => name,
    ),
  ).toEqual(["owned-first"]);
});

describe("with a clock of its own", () => {
  let clock: ManualClock;
  let limited: WholeStore;
  beforeAll(async () => {
    clock = new ManualClock(Date.now());
    limited = await openWholeStore({ clock, config: { rateLimitPerMinute: 5, trustedProxies: 1 } });
    await limited.fetch("/rated", { method: "PUT" });
  });
  afterAll(() => limited.close());
  const from = (address: string) => ({ "x-forwarded-for": address });

  test("the sixth anonymous request of a minute is 429, of that address alone, and the next minute is free", async () => {
    const ask = (address: string) => limited.fetch("/rated", { key: null, headers: from(address) });
    for (let left = 4; left >= 0; left--) {
      const response = await ask("10.1.1.1");
      expect([
        response.status,
        response.headers.get("ratelimit-limit"),
        response.headers.get("ratelimit-remaining"),
      ]).toEqual([401, "5", String(left)]);
      expect(Number(response.headers.get("ratelimit-reset"))).toBeGreaterThan(0);
    }
    const refused = await ask("10.1.1.1");
    expect(refused.status).toBe(429);
    expect(refused.headers.get("retry-after")).toBe(refused.headers.get("ratelimit-reset"));
    expect(await refused.text()).toContain("<Code>SlowDown</Code>");
    expect((await ask("10.1.1.2")).status).toBe(401);
    clock.advance(60_000);
    expect((await ask("10.1.1.1")).status).toBe(401);
  });

  test("failed logins count, and a /64 of IPv6 is one address", async () => {
    clock.advance(60_000);
    const statuses = [];
    for (let i = 1; i <= 6; i++)
      statuses.push(
        (await limited.fetch("/rated", { key: "wrong", headers: from(`2001:db8::${i}`) })).status,
      );
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429]);
  });

  test("a write that is refused has no effect", async () => {
    clock.advance(60_000);
    const { text: key } = await limited.makeKey({
      userName: "limited",
      permissions: ["admin"],
      requestsPerMinute: 0,
    });
    const headers = from("10.2.2.2");
    expect((await limited.fetch("/limiteds", { key, headers, method: "PUT" })).status).toBe(200);
    for (let i = 0; i < 4; i++) expect((await limited.fetch("/limiteds", { key, headers })).status).toBe(200);
    expect((await limited.fetch("/limiteds/k", { key, headers, method: "PUT", body: "x" })).status).toBe(429);
    expect((await limited.fetch("/limiteds/k", { method: "HEAD" })).status).toBe(404);
  });

  test("a key with a quota of its own counts by key, and one without limit not at all", async () => {
    clock.advance(60_000);
    const { text: key } = await limited.makeKey({
      userName: "quota",
      permissions: ["read"],
      requestsPerMinute: 2,
    });
    const statuses = [];
    for (const address of ["10.3.3.1", "10.3.3.2", "10.3.3.3"])
      statuses.push((await limited.fetch("/", { key, headers: from(address) })).status);
    expect(statuses).toEqual([200, 200, 429]);
    for (let i = 0; i < 20; i++) {
      const response = await limited.fetch("/");
      expect([response.status, response.headers.get("ratelimit-limit")]).toEqual([200, null]);
    }
  });

  test("a revoked key stops when the cached answer ends, an expired one at its time", async () => {
    const made = await limited.makeKey({ userName: "revoked", permissions: ["read"] });
    expect((await limited.fetch("/", { key: made.text })).status).toBe(200);
    await limited.fetch(`/_/api/v1/keys/${made.keyId}`, { method: "DELETE" });
    clock.advance(5_000);
    expect(await codeOf(await limited.fetch("/", { key: made.text }))).toEqual([401, "InvalidAccessKeyId"]);
    const expiring = await (
      await limited.fetch(`/_/api/v1/users/${made.userId}/keys`, {
        method: "POST",
        body: JSON.stringify({
          name: "expiring",
          permissions: ["read"],
          requestsPerMinute: -1,
          expiresAt: new Date(clock.nowMs() + 3_600_000).toISOString(),
        }),
      })
    ).json();
    expect((await limited.fetch("/", { key: expiring.text })).status).toBe(200);
    clock.jump(3_600_001);
    expect(await codeOf(await limited.fetch("/", { key: expiring.text }))).toEqual([401, "ExpiredToken"]);
  });
});
