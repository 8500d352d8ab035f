import { randomUUID } from "node:crypto";
import { inFourWays, inOneWay } from "../support/behaviour";
import { until } from "../support/until";

inFourWays((store) => {
  const api = (method: string, path: string, body?: unknown, key?: string) =>
    store().api(method, path, body, ...(key === undefined ? [] : [key]));

  test("users are made, listed page by page, read and deleted", async () => {
    const name = `u-${randomUUID()}`;
    const made = await api("POST", "/users", { name });
    expect([made.status, made.json]).toEqual([
      201,
      { id: expect.any(String), name, admin: false, createdAt: expect.any(String) },
    ]);
    expect((await api("POST", "/users", { name })).status).toBe(409);
    expect((await api("GET", `/users/${made.json.id}`)).json).toEqual(made.json);
    const names: string[] = [];
    for (let more = true; more; ) {
      const page = (await api("GET", `/users?limit=1&after=${encodeURIComponent(names.at(-1) ?? "")}`)).json;
      names.push(...page.users.map((user: { name: string }) => user.name));
      more = page.more;
    }
    expect(names).toEqual([...names].sort());
    expect(names).toContain(name);
    expect((await api("DELETE", `/users/${made.json.id}`)).status).toBe(204);
    expect((await api("GET", `/users/${made.json.id}`)).status).toBe(404);
  });

  test("keys: several a user, with names, permissions, buckets, expiry; text shown once", async () => {
    const { id } = (await api("POST", "/users", { name: `u-${randomUUID()}` })).json;
    const expiresAt = "2100-01-01T00:00:00.000Z";
    const one = (await api("POST", `/users/${id}/keys`, { name: "laptop", requestsPerMinute: -1 })).json;
    const two = (
      await api("POST", `/users/${id}/keys`, {
        name: "backup",
        permissions: ["read"],
        buckets: ["photos"],
        expiresAt,
        requestsPerMinute: 30,
      })
    ).json;
    expect([one.text, two.text]).toEqual([0, 1].map(() => expect.stringMatching(/^s3_key_[0-9a-f]{64}$/)));
    expect(two.key).toMatchObject({
      name: "backup",
      permissions: ["read"],
      buckets: ["photos"],
      expiresAt,
      requestsPerMinute: 30,
      rateLimit: "30 requests a minute",
      revokedAt: null,
      lastUsedAt: null,
    });
    const listed = await api("GET", `/users/${id}/keys`);
    expect(listed.json.keys.map((key: { name: string }) => key.name).sort()).toEqual(["backup", "laptop"]);
    expect(listed.text).not.toContain(one.text.slice(7));
    const who = await store().ask("GET", "/_/api/v1/whoami", { key: two.text });
    expect(who.json).toMatchObject({
      userId: id,
      admin: false,
      keyId: two.key.id,
      permissions: ["read"],
      expiresAt,
    });
    const changed = await api("PUT", `/keys/${two.key.id}`, {
      name: "renamed",
      permissions: ["read", "write"],
    });
    expect(changed.json).toMatchObject({ name: "renamed", permissions: ["read", "write"], buckets: [] });
    const revoked = await api("DELETE", `/keys/${one.key.id}`);
    expect(revoked.json.revokedAt).toEqual(expect.any(String));
  });

  test("S3 key pairs give their secret once", async () => {
    const { id } = (await api("POST", "/users", { name: `u-${randomUUID()}` })).json;
    const made = await api("POST", `/users/${id}/s3-key-pairs`, { name: "restic" });
    expect([made.status, made.json.secretAccessKey.length > 30]).toEqual([201, true]);
    const listed = await api("GET", `/users/${id}/s3-key-pairs`);
    expect(listed.json.keyPairs).toEqual([made.json.keyPair]);
    expect(listed.text).not.toContain(made.json.secretAccessKey);
    expect(
      (await api("DELETE", `/s3-key-pairs/${made.json.keyPair.accessKeyId}`)).json.revokedAt,
    ).not.toBeNull();
  });

  test("buckets show what is stored in them", async () => {
    const bucket = await store().bucket();
    const usage = async () => (await api("GET", `/buckets/${bucket}`)).json.usage;
    expect(await usage()).toEqual({ objects: 0, sizeBytes: 0 });
    await store().put(bucket, "a", "12345");
    await store().put(bucket, "b", "123");
    expect(await usage()).toEqual({ objects: 2, sizeBytes: 8 });
    await store().put(bucket, "a", "1");
    await store().ask("PUT", `/${bucket}/c`, { headers: { "x-amz-copy-source": `/${bucket}/b` } });
    expect(await usage()).toEqual({ objects: 3, sizeBytes: 7 });
    await store().ask("DELETE", `/${bucket}/b`);
    await store().ask("DELETE", `/${bucket}/b`);
    expect(await usage()).toEqual({ objects: 2, sizeBytes: 4 });
    const listed = (await api("GET", `/buckets?prefix=${bucket}`)).json;
    expect(listed.buckets).toMatchObject([{ name: bucket, usage: { objects: 2, sizeBytes: 4 } }]);
    expect((await api("GET", "/buckets/absent-bucket")).status).toBe(404);
  });

  test("nodes and queues: three nodes with their volumes, and nothing left to repair", async () => {
    const { nodes } = (await api("GET", "/nodes")).json;
    expect(nodes).toHaveLength(3);
    for (const node of nodes)
      expect(node).toMatchObject({ alive: true, volumes: [{ state: "online", deleteHold: "" }] });
    await until(async () => (await api("GET", "/queues")).json.repairs === 0);
  });

  test("what a user may not: others' keys, users, quotas, cluster; and nothing is done", async () => {
    const me = await store().makeKey({ permissions: ["admin"] });
    const other = await store().makeKey();
    const refused: [string, string, unknown?][] = [
      ["GET", "/users"],
      ["POST", "/users", { name: "mallory", admin: true }],
      ["DELETE", `/users/${other.userId}`],
      ["GET", `/users/${other.userId}/keys`],
      ["POST", `/users/${other.userId}/keys`, { name: "stolen" }],
      ["POST", `/users/${me.userId}/keys`, { name: "free", requestsPerMinute: -1 }],
      ["POST", `/keys/${other.keyId}/rotate`],
      ["DELETE", `/keys/${other.keyId}`],
      ["PUT", `/keys/${other.keyId}`, { name: "x" }],
      ["GET", "/nodes"],
      ["GET", "/queues"],
    ];
    for (const [method, path, body] of refused)
      expect([method, path, (await api(method, path, body, me.text)).status]).toEqual([method, path, 403]);
    expect((await other.http.ask("GET", "/")).status).toBe(200);
    const users = (await api("GET", "/users")).json.users.map((user: { name: string }) => user.name);
    expect(users).not.toContain("mallory");
    expect((await api("POST", `/users/${me.userId}/keys`, { name: "mine" }, me.text)).status).toBe(201);
    const plain = await store().makeKey({ userId: me.userId });
    expect((await api("POST", `/users/${me.userId}/keys`, { name: "more" }, plain.text)).status).toBe(403);
  });
});

inOneWay((store) => {
  test.each([
    ["an unknown member", { name: "x1", owner: true }],
    ["a wrong type", { name: 1 }],
    ["a bad name", { name: "no spaces please" }],
    ["no JSON", "{"],
    ["an array", "[]"],
    ["__proto__", '{"name":"x2","__proto__":{"admin":true}}'],
    ["nesting too deep", `{"name":${"[".repeat(30)}${"]".repeat(30)}}`],
    ["more than 64 KiB", JSON.stringify({ name: "x".repeat(70_000) })],
    ["bytes that are no UTF-8", Buffer.from('{"name":"\xff"}', "latin1")],
    ["nothing", ""],
  ])("a body with %s is refused and makes no user", async (_name, body) => {
    const count = async () => (await store().api("GET", "/users")).json.users.length;
    const before = await count();
    const answer = Buffer.isBuffer(body)
      ? await store().ask("POST", "/_/api/v1/users", { body })
      : await store().api("POST", "/users", body);
    expect(answer.status).toBe(400);
    expect(await count()).toBe(before);
  });

  test("what is not there is 404, a wrong method 405 with what is allowed, a bad id 400", async () => {
    expect((await store().api("GET", "/nothing")).status).toBe(404);
    const wrong = await store().api("PUT", "/users");
    expect([wrong.status, wrong.headers.allow]).toEqual([405, "GET, POST"]);
    expect((await store().api("GET", "/users/not-a-uuid")).status).toBe(400);
    expect((await store().api("GET", `/users/${randomUUID()}`)).status).toBe(404);
    expect((await store().ask("GET", "/_/anything/else")).status).toBe(404);
  });

  test("the last admin key cannot be taken away", async () => {
    const who = (await store().api("GET", "/whoami")).json;
    expect((await store().api("DELETE", `/keys/${who.keyId}`)).status).toBe(409);
    expect((await store().api("DELETE", `/users/${who.userId}`)).status).toBe(409);
    expect((await store().api("GET", "/whoami")).status).toBe(200);
  });

  test("OpenAPI 3.1 and a readable page, both without a key, describe every route", async () => {
    const document = (await store().ask("GET", "/_/openapi.json", { key: null })).json;
    expect(document.openapi).toBe("3.1.0");
    const page = await store().ask("GET", "/_/docs", { key: null });
    expect([page.status, page.headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
    for (const path of Object.keys(document.paths)) expect(page.text).toContain(`/_/api/v1${path}`);
    const operations = JSON.stringify(document.paths);
    for (const name of [
      "WhoAmI",
      "ListPermissions",
      "CreateUser",
      "CreateKey",
      "RotateKey",
      "ListNodes",
      "GetQueues",
    ])
      expect(operations).toContain(`"operationId":"${name}"`);
  });

  test("every route of the description answers: none is only listed", async () => {
    const document = (await store().ask("GET", "/_/openapi.json", { key: null })).json;
    for (const [path, item] of Object.entries<Record<string, unknown>>(document.paths)) {
      for (const method of Object.keys(item)) {
        const real = path.replace(/\{\w+\}/g, randomUUID());
        const answer = await store().api(method.toUpperCase(), real, method === "get" ? undefined : {});
        expect([method, path, answer.status < 500 && answer.status !== 405]).toEqual([method, path, true]);
        if (answer.status === 404) expect(answer.json.error.message).not.toContain("nothing at this address");
      }
    }
  });
});
