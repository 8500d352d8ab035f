import { openWholeStore, type WholeStore } from "./testing/whole-store";

let store: WholeStore;
let healthy = true;
beforeAll(async () => {
  store = await openWholeStore({
    health: async () => [
      { name: "metadata", ok: healthy, latencyMs: 2, ...(healthy ? {} : { detail: "away" }) },
    ],
  });
});
afterAll(() => store.close());

const api = async (method: string, path: string, body?: unknown, key?: string) => {
  const response = await store.fetch(`/_/api/v1${path}`, {
    method,
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    ...(key === undefined ? {} : { key }),
  });
  const text = await response.text();
  return {
    status: response.status,
    body: text === "" ? undefined : JSON.parse(text),
    headers: response.headers,
  };
};

test("users are made, listed, read and deleted", async () => {
  const made = await api("POST", "/users", { name: "alice" });
  expect(made).toMatchObject({ status: 201, body: { name: "alice", admin: false } });
  expect(await api("POST", "/users", { name: "alice" })).toMatchObject({ status: 409 });
  expect((await api("GET", "/users")).body.users).toContainEqual(made.body);
  expect((await api("GET", `/users/${made.body.id}`)).body).toEqual(made.body);
  expect(await api("DELETE", `/users/${made.body.id}`)).toMatchObject({ status: 204, body: undefined });
  expect(await api("GET", `/users/${made.body.id}`)).toMatchObject({ status: 404 });
});

test("keys are made with their text once, changed, rotated and revoked", async () => {
  const { body: user } = await api("POST", "/users", { name: "bob" });
  const made = await api("POST", `/users/${user.id}/keys`, { name: "laptop", requestsPerMinute: -1 });
  expect(made).toMatchObject({
    status: 201,
    body: {
      text: expect.stringMatching(/^s3_key_[0-9a-f]{64}$/),
      key: { permissions: ["read", "write"], rateLimit: "none" },
    },
  });
  const { key, text } = made.body;
  expect((await api("GET", "/whoami", undefined, text)).body).toMatchObject({
    userName: "bob",
    keyId: key.id,
    rateLimit: "none",
  });
  expect(JSON.stringify((await api("GET", `/users/${user.id}/keys`)).body)).not.toContain(text);
  const changed = await api("PUT", `/keys/${key.id}`, {
    name: "desktop",
    permissions: ["read"],
    requestsPerMinute: 30,
  });
  expect(changed.body).toMatchObject({
    name: "desktop",
    permissions: ["read"],
    rateLimit: "30 requests a minute",
  });
  const rotated = await api("POST", `/keys/${key.id}/rotate`);
  expect(rotated.body.key.id).toBe(key.id);
  expect(rotated.body.text).not.toBe(text);
  expect((await api("DELETE", `/keys/${key.id}`)).body.revokedAt).toEqual(expect.any(String));
  expect((await api("GET", "/whoami", undefined, rotated.body.text)).status).toBe(401);
});

test("S3 key pairs give their secret once", async () => {
  const { body: user } = await api("POST", "/users", { name: "carol" });
  const { status, body } = await api("POST", `/users/${user.id}/s3-key-pairs`, { name: "restic" });
  expect([status, typeof body.secretAccessKey]).toEqual([201, "string"]);
  const listed = await api("GET", `/users/${user.id}/s3-key-pairs`);
  expect(listed.body.keyPairs).toEqual([body.keyPair]);
  expect(JSON.stringify(listed.body)).not.toContain(body.secretAccessKey);
  expect((await api("DELETE", `/s3-key-pairs/${body.keyPair.accessKeyId}`)).body.revokedAt).toEqual(
    expect.any(String),
  );
});

test("a user manages their own keys, and cannot make more of them than they are", async () => {
  const me = await store.makeKey({ userName: "dave", permissions: ["admin"] });
  const other = await store.makeKey({ userName: "erin", permissions: ["read"] });
  expect((await api("POST", `/users/${me.userId}/keys`, { name: "mine" }, me.text)).status).toBe(201);
  expect(
    (await api("POST", `/users/${me.userId}/keys`, { name: "free", requestsPerMinute: -1 }, me.text)).status,
  ).toBe(403);
  expect((await api("DELETE", `/keys/${other.keyId}`, undefined, me.text)).status).toBe(403);
  for (const path of ["/users", "/nodes", "/queues", `/users/${other.userId}/keys`]) {
    expect([path, (await api("GET", path, undefined, me.text)).status]).toEqual([path, 403]);
  }
  expect((await api("POST", "/users", { name: "admin2", admin: true }, me.text)).status).toBe(403);
});

test("buckets show their usage", async () => {
  await store.fetch("/used", { method: "PUT" });
  await store.fetch("/used/k", { method: "PUT", body: "12345" });
  expect((await api("GET", "/buckets/used")).body).toMatchObject({
    name: "used",
    usage: { objects: 1, sizeBytes: 5 },
  });
  expect((await api("GET", "/buckets?prefix=us")).body.buckets).toHaveLength(1);
  expect((await api("GET", "/buckets/absent")).status).toBe(404);
});

test("nodes and queues are shown to admins", async () => {
  const { nodes } = (await api("GET", "/nodes")).body;
  expect(nodes).toHaveLength(3);
  expect(nodes[0]).toMatchObject({ alive: true, volumes: [{ state: "online" }] });
  expect((await api("GET", "/queues")).body).toMatchObject({
    repairs: expect.any(Number),
    deletes: expect.any(Number),
  });
  expect((await api("GET", "/permissions")).body.permissions).toHaveLength(3);
});

test.each([
  ["an unknown member", { name: "x1", owner: true }],
  ["a wrong type", { name: 1 }],
  ["a bad name", { name: "no spaces please" }],
  ["no JSON", "{"],
  ["__proto__", '{"name":"x2","__proto__":{"admin":true}}'],
  ["depth", `{"name":${"[".repeat(30)}${"]".repeat(30)}}`],
  ["size", JSON.stringify({ name: "x".repeat(70_000) })],
])("a body with %s is refused and makes nothing", async (_name, body) => {
  const before = (await api("GET", "/users")).body.users.length;
  expect((await api("POST", "/users", body)).status).toBe(400);
  expect((await api("GET", "/users")).body.users).toHaveLength(before);
});

test("what is not there is 404, a wrong method 405 with what is allowed", async () => {
  expect((await store.fetch("/_/nothing")).status).toBe(404);
  expect((await store.fetch("/_/api/v1/nothing")).status).toBe(404);
  expect((await store.fetch("/_/api/v1/users/%zz")).status).toBe(400);
  const wrong = await api("PUT", "/users");
  expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, POST"]);
  expect((await api("GET", "/users/not-a-uuid")).status).toBe(400);
});

test("the API describes itself without a key, and every route is in the description", async () => {
  const response = await store.fetch("/_/openapi.json", { key: null });
  const document = await response.json();
  expect(document.openapi).toBe("3.1.0");
  const operations = Object.values(
    document.paths as Record<string, Record<string, { operationId: string }>>,
  ).flatMap((item) => Object.values(item).map(({ operationId }) => operationId));
  expect(new Set(operations).size).toBe(operations.length);
  expect(operations).toEqual(
    expect.arrayContaining([
      "WhoAmI",
      "CreateUser",
      "CreateKey",
      "RevokeKey",
      "CreateS3KeyPair",
      "GetQueues",
    ]),
  );
  for (const [, name] of JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
    expect(Object.keys(document.components.schemas)).toContain(name);
  }
  const docs = await store.fetch("/_/docs", { key: null });
  const page = await docs.text();
  expect(docs.headers.get("content-security-policy")).toContain("default-src 'none'");
  expect(page).toContain("/_/api/v1/users/{userId}/keys");
  expect(page).not.toMatch(/<script|src=|https?:\/\//);
});

test("health says ok or not to all, and why to admins alone", async () => {
  const ask = async (path: string, key?: null) => {
    const response = await store.fetch(path, key === null ? { key } : {});
    return [response.status, await response.json()];
  };
  expect(await ask("/_/health/live", null)).toEqual([200, { status: "ok" }]);
  expect(await ask("/health", null)).toEqual([200, { status: "ok" }]);
  expect(await ask("/_/health/ready")).toEqual([
    200,
    { status: "ok", dependencies: [{ name: "metadata", ok: true, latencyMs: 2 }] },
  ]);
  healthy = false;
  const status = async () => ((await ask("/_/health/ready", null))[1] as { status: string }).status;
  while ((await status()) === "ok") await new Promise((resolve) => setTimeout(resolve, 50));
  // It stays ready: what needs the dependency answers 503 itself.
  expect(await ask("/_/health/ready", null)).toEqual([200, { status: "degraded" }]);
  expect((await ask("/_/health/ready"))[1]).toMatchObject({ dependencies: [{ ok: false, detail: "away" }] });
  expect(await ask("/_/health/live", null)).toEqual([200, { status: "ok" }]);
  healthy = true;
});

test("metrics count every operation, for admins alone", async () => {
  expect((await store.fetch("/_/metrics", { key: null })).status).toBe(401);
  const stranger = await store.makeKey({ userName: "frank", permissions: ["admin"] });
  expect((await store.fetch("/_/metrics", { key: stranger.text })).status).toBe(403);
  await store.fetch("/absent-bucket/k");
  const text = await (await store.fetch("/_/metrics")).text();
  expect(text).toMatch(/cairn_gateway_requests_total\{operation="GetObject",status="404"\} [1-9]/);
  expect(text).toMatch(/cairn_gateway_errors_total\{operation="GetObject",code="NO_SUCH_BUCKET"\} [1-9]/);
  expect(text).toMatch(/cairn_gateway_request_duration_seconds_count\{operation="WhoAmI"\} [1-9]/);
  expect(text).not.toContain(store.adminKey);
});
