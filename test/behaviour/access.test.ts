import { inFourWays, refusal } from "../support/behaviour";
import { until } from "../support/until";

inFourWays((store) => {
  let bucket: string;
  beforeAll(async () => {
    bucket = await store().bucket();
    await store().put(bucket, "there", "as it was");
  });
  const isUntouched = async () => {
    expect((await store().get(bucket, "there")).text).toBe("as it was");
    expect(await store().keys(bucket)).toEqual(["there"]);
  };
  /** Every way to change or read something of a bucket. */
  const attempts = (name: string): [string, string, string?][] => [
    ["GET", `/${name}/there`],
    ["GET", `/${name}/absent`],
    ["HEAD", `/${name}/there`],
    ["GET", `/${name}`],
    ["HEAD", `/${name}`],
    ["PUT", `/${name}/there`, "other"],
    ["PUT", `/${name}/new`, "other"],
    ["DELETE", `/${name}/there`],
    ["POST", `/${name}?delete`, "<Delete><Object><Key>there</Key></Object></Delete>"],
    ["DELETE", `/${name}`],
  ];

  test.each([
    ["none", null, "AccessDenied"],
    ["an unknown one", `s3_key_${"0".repeat(64)}`, "InvalidAccessKeyId"],
    ["a malformed one", "not-a-key", "InvalidAccessKeyId"],
    ["an endless one", "x".repeat(5_000), "InvalidAccessKeyId"],
    ["an empty one", "", "AccessDenied"],
  ])("with %s as key everything is 401, and nothing is done", async (_name, key, code) => {
    for (const [method, path, body] of attempts(bucket)) {
      const answer = await store().ask(method, path, { key, ...(body === undefined ? {} : { body }) });
      expect([method, path, answer.status]).toEqual([method, path, 401]);
      expect(answer.headers["www-authenticate"]).toContain("Bearer");
      if (method !== "HEAD") expect(refusal(answer)[1]).toBe(code);
    }
    await isUntouched();
  });

  test("another scheme is 401 and says what to send", async () => {
    for (const authorization of ["AWS4-HMAC-SHA256 Credential=a", "Basic YTpi", "Digest x"]) {
      const answer = await store().ask("GET", `/${bucket}/there`, { headers: { authorization } });
      expect([answer.status, answer.text]).toEqual([401, expect.stringContaining("Bearer s3_key_")]);
    }
    const presigned = await store().ask("GET", `/${bucket}/there?X-Amz-Signature=a&X-Amz-Credential=b`, {
      key: null,
    });
    expect(presigned.status).toBe(401);
  });

  test("a revoked key stops within 5 s, everywhere, and does nothing after", async () => {
    const { text, keyId, http } = await store().makeKey();
    expect((await http.ask("GET", "/")).status).toBe(200);
    expect((await store().api("DELETE", `/keys/${keyId}`)).status).toBe(200);
    const revokedAtMs = performance.now();
    await until(async () => (await http.ask("GET", "/")).status === 401, 6_000);
    expect(performance.now() - revokedAtMs).toBeLessThan(5_500);
    expect(refusal(await http.ask("GET", "/"))).toEqual([401, "InvalidAccessKeyId"]);
    expect((await http.ask("PUT", "/bucket-of-a-revoked-key")).status).toBe(401);
    expect((await store().ask("HEAD", "/bucket-of-a-revoked-key")).status).toBe(404);
    expect(text).toMatch(/^s3_key_[0-9a-f]{64}$/);
  });

  test("an expired key is 401 ExpiredToken from its time on", async () => {
    const expiresAt = new Date(Date.now() + 1_500).toISOString();
    const { http } = await store().makeKey({ expiresAt });
    expect((await http.ask("GET", "/")).status).toBe(200);
    const expired = await until(async () => {
      const answer = await http.ask("GET", "/");
      return answer.status === 401 && answer;
    }, 8_000);
    expect(refusal(expired)).toEqual([401, "ExpiredToken"]);
  });

  test("a rotated key: the new text works at once, the old one stops within 5 s", async () => {
    const { keyId, http } = await store().makeKey();
    expect((await http.ask("GET", "/")).status).toBe(200);
    const { text } = (await store().api("POST", `/keys/${keyId}/rotate`)).json;
    expect((await store().ask("GET", "/", { key: text })).status).toBe(200);
    await until(async () => (await http.ask("GET", "/")).status === 401, 6_000);
  });

  test("another user's bucket is 403, whether or not the key exists, and nothing is done", async () => {
    const { http } = await store().makeKey({ permissions: ["admin"] });
    for (const [method, path, body] of attempts(bucket)) {
      const answer = await http.ask(method, path, body === undefined ? {} : { body });
      expect([method, path, answer.status]).toEqual([method, path, 403]);
    }
    const there = (await http.ask("GET", `/${bucket}/there`)).json.error;
    const absent = (await http.ask("GET", `/${bucket}/absent`)).json.error;
    expect([there.code, there.message]).toEqual([absent.code, absent.message]);
    await isUntouched();
  });

  test("an admin user reaches every bucket", async () => {
    const owner = await store().makeKey();
    const theirs = await store().bucket(owner.http);
    await owner.http.ask("PUT", `/${theirs}/k`, { body: "x" });
    expect((await store().get(theirs, "k")).text).toBe("x");
    expect((await store().ask("DELETE", `/${theirs}/k`)).status).toBe(204);
    expect((await owner.http.ask("GET", `/${theirs}/k`)).status).toBe(404);
  });

  test("a key that may only read, only write, or only one bucket does no more", async () => {
    const owner = await store().makeKey({ permissions: ["admin"] });
    const own = await store().bucket(owner.http);
    const other = await store().bucket(owner.http);
    await owner.http.ask("PUT", `/${own}/there`, { body: "x" });
    const { userId } = owner;
    const reader = (await store().makeKey({ userId, permissions: ["read"] })).http;
    for (const [method, path, body] of attempts(own)) {
      const reads = method === "GET" || method === "HEAD";
      const status = (await reader.ask(method, path, body === undefined ? {} : { body })).status;
      expect([method, path, status]).toEqual([
        method,
        path,
        reads ? (path.endsWith("absent") ? 404 : 200) : 403,
      ]);
    }
    expect((await reader.ask("PUT", `/${own}-2`)).status).toBe(403);
    const writer = (await store().makeKey({ userId, permissions: ["write"] })).http;
    expect((await writer.ask("PUT", `/${own}/written`, { body: "y" })).status).toBe(200);
    for (const path of [`/${own}/there`, `/${own}`, "/"])
      expect((await writer.ask("GET", path)).status).toBe(403);
    const copy = { headers: { "x-amz-copy-source": `/${own}/there` } };
    expect((await writer.ask("PUT", `/${own}/copy`, copy)).status).toBe(403);
    const limited = (await store().makeKey({ userId, buckets: [own] })).http;
    expect((await limited.ask("GET", `/${own}/there`)).status).toBe(200);
    for (const [method, path, body] of attempts(other))
      expect((await limited.ask(method, path, body === undefined ? {} : { body })).status).toBe(403);
    expect((await limited.ask("GET", "/")).json.buckets).toEqual([
      { name: own, createdAt: expect.any(String) },
    ]);
    expect((await limited.ask("PUT", `/${own}-3`)).status).toBe(403);
    expect(
      (await owner.http.ask("GET", `/${own}`)).json.objects.map(({ key }: { key: string }) => key),
    ).toEqual(["there", "written"]);
    expect((await owner.http.ask("GET", "/")).json.buckets).toHaveLength(2);
  });

  test("a deleted user's keys stop, and their bucket is left to admins", async () => {
    const { userId, http } = await store().makeKey();
    const theirs = await store().bucket(http);
    await http.ask("PUT", `/${theirs}/k`, { body: "x" });
    expect((await store().api("DELETE", `/users/${userId}`)).status).toBe(204);
    await until(async () => (await http.ask("GET", `/${theirs}/k`)).status === 401, 6_000);
    expect((await store().get(theirs, "k")).text).toBe("x");
  });
});
