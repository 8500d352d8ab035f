import { Permission } from "../../gen/cairn/identity/v1/identity_pb";
import { newId } from "../common/ids/uuid";
import { newCall } from "../common/rpc/call";
import { openDatabase } from "../common/sql/open-database";
import { databaseEngines } from "../common/sql/test-databases";
import { keepRevokedMs } from "./api-keys";
import { defaultIdentityConfig } from "./open";
import type { IdentityTables } from "./tables";
import { eventually, startTestIdentity, type TestIdentity } from "./test-identity";

const call = newCall();
const ip = "192.0.2.1";
const readAll = { permissions: [Permission.READ], buckets: [] as string[] };
const everything = { permissions: [Permission.ADMIN], buckets: [] };

describe.each(databaseEngines)("identity on %s", (engine) => {
  let identity: TestIdentity;
  let client: TestIdentity["client"];

  beforeEach(async () => {
    identity = await startTestIdentity(engine);
    client = identity.client;
  });
  afterEach(() => identity.destroy());

  const authenticate = (apiKey: string, sourceIp = ip) => client.authenticate({ apiKey, sourceIp }, call);
  const adminKey = () => identity.announced[0]?.adminKey ?? "";
  const addUser = async (name: string, admin = false) => {
    const userId = newId();
    await client.createUser({ userId, name, admin }, call);
    return userId;
  };
  const addKey = async (userId: string, options: { grant?: typeof readAll; expiresAtMs?: bigint } = {}) => {
    const { key, text } = await client.createApiKey(
      { userId, name: "a key", grant: readAll, requestsPerMinute: 7, ...options },
      call,
    );
    return { keyId: key?.id ?? "", text, key };
  };

  test("a key opens what its grant says, for the user that it belongs to", async () => {
    const userId = await addUser("ada");
    const grant = { permissions: [Permission.READ, Permission.WRITE], buckets: ["photos"] };
    const { keyId, text } = await addKey(userId, { grant });
    expect(text).toMatch(/^s3_key_[0-9a-f]{64}$/);
    const { principal } = await authenticate(text);
    expect(principal).toMatchObject({ userId, userName: "ada", admin: false, keyId, requestsPerMinute: 7 });
    expect(principal?.grant).toMatchObject(grant);
  });

  test("a key that is not known is INVALID_KEY, and the answer does not repeat it", async () => {
    const text = `s3_key_${"ab".repeat(32)}`;
    const error = await authenticate(text).catch((thrown) => thrown);
    expect(error.reason).toBe("INVALID_KEY");
    expect(JSON.stringify([error.message, error.hint, error.params])).not.toContain(text.slice(7));
  });

  test("an answer may be used for less than 5 s, and not past the key's expiry", async () => {
    const userId = await addUser("ada");
    const lasting = await addKey(userId);
    const ending = await addKey(userId, { expiresAtMs: BigInt(identity.clock.nowMs() + 1_500) });
    expect((await authenticate(lasting.text)).cacheTtlMs).toBe(4_000n);
    expect((await authenticate(ending.text)).cacheTtlMs).toBe(1_500n);
    identity.clock.advance(1_500);
    await expect(authenticate(ending.text)).rejects.toMatchObject({ reason: "EXPIRED_KEY" });
    await authenticate(lasting.text);
  });

  test("a revoked key is refused at once, and revoking again keeps the first time", async () => {
    const { keyId, text } = await addKey(await addUser("ada"));
    const { key } = await client.revokeApiKey({ keyId }, call);
    expect(key?.revokedAtMs).toBe(BigInt(identity.clock.nowMs()));
    await expect(authenticate(text)).rejects.toMatchObject({ reason: "REVOKED_KEY" });
    identity.clock.advance(1_000);
    expect((await client.revokeApiKey({ keyId }, call)).key?.revokedAtMs).toBe(key?.revokedAtMs);
    await expect(client.rotateApiKey({ keyId }, call)).rejects.toMatchObject({ reason: "REVOKED_KEY" });
    await expect(client.updateApiKey({ keyId, name: "x", grant: readAll }, call)).rejects.toMatchObject({
      reason: "REVOKED_KEY",
    });
  });

  test("rotation gives the same key a new text; the former is unknown", async () => {
    const { keyId, text } = await addKey(await addUser("ada"));
    const rotated = await client.rotateApiKey({ keyId }, call);
    expect(rotated.key?.id).toBe(keyId);
    expect(rotated.text).not.toBe(text);
    await expect(authenticate(text)).rejects.toMatchObject({ reason: "INVALID_KEY" });
    expect((await authenticate(rotated.text)).principal?.keyId).toBe(keyId);
  });

  test("an update counts from the next authentication on", async () => {
    const { keyId, text } = await addKey(await addUser("ada"));
    const grant = { permissions: [Permission.WRITE], buckets: ["logs", "photos"] };
    const expiresAtMs = BigInt(identity.clock.nowMs() + 60_000);
    await client.updateApiKey({ keyId, name: "renamed", grant, expiresAtMs, requestsPerMinute: -1 }, call);
    const { principal } = await authenticate(text);
    expect(principal).toMatchObject({ grant, expiresAtMs, requestsPerMinute: -1 });
  });

  test("an expiry in the past is refused and makes nothing", async () => {
    const userId = await addUser("ada");
    const expiresAtMs = BigInt(identity.clock.nowMs());
    await expect(addKey(userId, { expiresAtMs })).rejects.toMatchObject({ reason: "INVALID_ARGUMENT" });
    expect((await client.listApiKeys({ userId }, call)).keys).toEqual([]);
    const { keyId } = await addKey(userId);
    await expect(
      client.updateApiKey({ keyId, name: "x", grant: readAll, expiresAtMs }, call),
    ).rejects.toMatchObject({ reason: "INVALID_ARGUMENT" });
  });

  test("several keys a user, listed with their names and without their texts", async () => {
    const userId = await addUser("ada");
    for (const name of ["laptop", "server"])
      await client.createApiKey({ userId, name, grant: readAll }, call);
    const { keys } = await client.listApiKeys({ userId }, call);
    expect(keys.map((key) => key.name)).toEqual(["laptop", "server"]);
    expect(keys[0]).not.toHaveProperty("text");
  });

  test("the last use is known within a minute, with no write on the request's path", async () => {
    const userId = await addUser("ada");
    const { text } = await addKey(userId);
    const usedAtMs = BigInt(identity.clock.nowMs());
    await authenticate(text);
    const lastUsed = async () => (await client.listApiKeys({ userId }, call)).keys[0]?.lastUsedAtMs;
    expect(await lastUsed()).toBe(0n);
    identity.clock.advance(defaultIdentityConfig.lastUsedEveryMs);
    await eventually(async () => (await lastUsed()) === usedAtMs);
  });

  test("what was used before an orderly end is written", async () => {
    const userId = await addUser("ada");
    const { text } = await addKey(userId);
    await authenticate(text);
    identity = await identity.reopen();
    client = identity.client;
    expect((await client.listApiKeys({ userId }, call)).keys[0]?.lastUsedAtMs).toBe(
      BigInt(identity.clock.nowMs()),
    );
  });

  test("failures from one source are limited, and those from others are not", async () => {
    await identity.destroy();
    identity = await startTestIdentity(engine, {
      config: { ...defaultIdentityConfig, failuresPerMinute: 3 },
    });
    client = identity.client;
    for (const _ of [1, 2])
      await expect(authenticate("wrong")).rejects.toMatchObject({ reason: "INVALID_KEY" });
    await authenticate(adminKey());
    await expect(authenticate("wrong")).rejects.toMatchObject({ reason: "INVALID_KEY" });
    await expect(authenticate("wrong")).rejects.toMatchObject({ reason: "TOO_MANY_FAILURES" });
    await expect(authenticate(adminKey())).rejects.toMatchObject({ reason: "TOO_MANY_FAILURES" });
    await authenticate(adminKey(), "192.0.2.2");
  });

  test("a user has at most 1,000 keys; those revoked a month ago are forgotten", async () => {
    const userId = await addUser("ada");
    const { keyId } = await addKey(userId);
    await client.revokeApiKey({ keyId }, call);
    const database = await openDatabase<IdentityTables>(identity.place.config);
    await database.transaction(async (trx) => {
      const template = await trx
        .selectFrom("api_keys")
        .selectAll()
        .where("id", "=", keyId)
        .executeTakeFirstOrThrow();
      const rows = Array.from({ length: 999 }, (_, i) => ({
        ...template,
        id: newId(),
        digest: `${i}`,
        revoked_at_ms: 0,
      }));
      for (let start = 0; start < rows.length; start += 100) {
        await trx
          .insertInto("api_keys")
          .values(rows.slice(start, start + 100))
          .execute();
      }
    });
    await database.close();
    expect((await client.listApiKeys({ userId }, call)).keys).toHaveLength(1_000);
    await expect(addKey(userId)).rejects.toMatchObject({ reason: "TOO_MANY_KEYS", resource: userId });
    identity.clock.advance(keepRevokedMs + 1);
    await addKey(userId);
    expect((await client.listApiKeys({ userId }, call)).keys.map((key) => key.id)).not.toContain(keyId);
    await expect(addKey(userId)).rejects.toMatchObject({ reason: "TOO_MANY_KEYS" });
  });

  test("a user is made once by its id, and a name is one user's", async () => {
    const userId = newId();
    const first = await client.createUser({ userId, name: "ada", admin: false }, call);
    identity.clock.advance(1_000);
    expect(await client.createUser({ userId, name: "ada", admin: false }, call)).toEqual(first);
    await expect(client.createUser({ userId: newId(), name: "ada" }, call)).rejects.toMatchObject({
      reason: "NAME_TAKEN",
    });
    await expect(client.createUser({ userId, name: "bob" }, call)).rejects.toMatchObject({
      reason: "NAME_TAKEN",
    });
    expect((await client.getUser({ userId }, call)).user).toEqual(first.user);
  });

  test("users are listed by the bytes of their names, page by page", async () => {
    for (const name of ["bob", "Zoe", "ada", "_eve"]) await addUser(name);
    const first = await client.listUsers({ limit: 3 }, call);
    expect(first.users.map((user) => user.name)).toEqual(["Zoe", "_eve", "ada"]);
    expect(first.more).toBe(true);
    const second = await client.listUsers({ afterName: "ada", limit: 3 }, call);
    expect(second.users.map((user) => user.name)).toEqual(["admin", "bob"]);
    expect(second.more).toBe(false);
  });

  test("a deleted user is gone with its keys", async () => {
    const userId = await addUser("ada");
    const { text, keyId } = await addKey(userId);
    const { keyPair } = await client.createS3KeyPair({ userId, name: "restic" }, call);
    await client.deleteUser({ userId }, call);
    await expect(authenticate(text)).rejects.toMatchObject({ reason: "INVALID_KEY" });
    await expect(client.revokeApiKey({ keyId }, call)).rejects.toMatchObject({ reason: "NO_SUCH_KEY" });
    await expect(
      client.revokeS3KeyPair({ accessKeyId: keyPair?.accessKeyId ?? "" }, call),
    ).rejects.toMatchObject({
      reason: "NO_SUCH_KEY",
    });
  });

  test("whatever names a user or key that is not there says so", async () => {
    const userId = newId();
    const noUser = { reason: "NO_SUCH_USER", resource: userId };
    await expect(client.getUser({ userId }, call)).rejects.toMatchObject(noUser);
    await expect(client.deleteUser({ userId }, call)).rejects.toMatchObject(noUser);
    await expect(addKey(userId)).rejects.toMatchObject(noUser);
    await expect(client.listApiKeys({ userId }, call)).rejects.toMatchObject(noUser);
    await expect(client.createS3KeyPair({ userId, name: "x" }, call)).rejects.toMatchObject(noUser);
    await expect(client.listS3KeyPairs({ userId }, call)).rejects.toMatchObject(noUser);
    const noKey = { reason: "NO_SUCH_KEY", resource: userId };
    await expect(client.rotateApiKey({ keyId: userId }, call)).rejects.toMatchObject(noKey);
    await expect(
      client.updateApiKey({ keyId: userId, name: "x", grant: readAll }, call),
    ).rejects.toMatchObject(noKey);
    await expect(client.revokeApiKey({ keyId: userId }, call)).rejects.toMatchObject(noKey);
    await expect(client.revokeS3KeyPair({ accessKeyId: "CAIRNX" }, call)).rejects.toMatchObject({
      reason: "NO_SUCH_KEY",
    });
  });

  test("the last key that opens everything cannot be revoked, narrowed or deleted with its user", async () => {
    const { principal } = await authenticate(adminKey());
    const { userId = "", keyId = "" } = principal ?? {};
    const last = { reason: "LAST_ADMIN" };
    await expect(client.revokeApiKey({ keyId }, call)).rejects.toMatchObject(last);
    await expect(client.updateApiKey({ keyId, name: "x", grant: readAll }, call)).rejects.toMatchObject(last);
    const narrowed = { permissions: [Permission.ADMIN], buckets: ["photos"] };
    await expect(client.updateApiKey({ keyId, name: "x", grant: narrowed }, call)).rejects.toMatchObject(
      last,
    );
    await expect(client.deleteUser({ userId }, call)).rejects.toMatchObject(last);
    await authenticate(adminKey());

    const other = await addUser("root", true);
    await expect(client.deleteUser({ userId }, call)).rejects.toMatchObject(last);
    await addKey(other, { grant: everything });
    await client.deleteUser({ userId }, call);
    await expect(authenticate(adminKey())).rejects.toMatchObject({ reason: "INVALID_KEY" });
  });

  test("of two admin keys revoked at the same moment one stays", async () => {
    const { principal } = await authenticate(adminKey());
    const other = await addKey(await addUser("root", true), { grant: everything });
    const outcomes = await Promise.allSettled(
      [principal?.keyId ?? "", other.keyId].map((keyId) => client.revokeApiKey({ keyId }, call)),
    );
    expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(["fulfilled", "rejected"]);
  });

  test("an S3 key pair shows its secret once and is revoked for good", async () => {
    const userId = await addUser("ada");
    const made = await client.createS3KeyPair({ userId, name: "restic" }, call);
    expect(made.keyPair?.accessKeyId).toMatch(/^CAIRN[A-Z2-7]{15}$/);
    expect(made.secretAccessKey).toMatch(/^[A-Za-z0-9_-]{40}$/);
    const { keyPairs } = await client.listS3KeyPairs({ userId }, call);
    expect(keyPairs).toEqual([made.keyPair]);
    const accessKeyId = made.keyPair?.accessKeyId ?? "";
    const revoked = await client.revokeS3KeyPair({ accessKeyId }, call);
    expect(revoked.keyPair?.revokedAtMs).toBe(BigInt(identity.clock.nowMs()));
    identity.clock.advance(1_000);
    expect(await client.revokeS3KeyPair({ accessKeyId }, call)).toEqual(revoked);
  });

  test("the key for tokens is 32 bytes and the same after a restart", async () => {
    const { key } = await client.getTokenKey({}, call);
    expect(key).toHaveLength(32);
    identity = await identity.reopen();
    expect((await identity.client.getTokenKey({}, call)).key).toEqual(key);
  });

  test("rates reported by two gateways are summed by subject and minute", async () => {
    const window = BigInt(Math.floor(identity.clock.nowMs() / 60_000));
    const report = async (gatewayId: string, requests: number, subject = "192.0.2.9") =>
      (await client.reportRates({ gatewayId, counts: [{ subject, window, requests }] }, call)).sums[0]
        ?.requests;
    expect(await report("a", 3)).toBe(3);
    expect(await report("b", 4)).toBe(7);
    expect(await report("a", 0)).toBe(7);
    expect(await report("a", 1, "192.0.2.10")).toBe(1);
  });

  test("its health names the database", async () => {
    expect(await identity.running.health()).toMatchObject([{ name: engine, ok: true }]);
  });

  test("another admin key for who runs commands on the machine", async () => {
    const text = await identity.running.newAdminKey();
    const { principal } = await authenticate(text);
    expect(principal).toMatchObject({
      userName: "admin",
      admin: true,
      grant: everything,
      requestsPerMinute: -1,
    });
    await authenticate(adminKey());
  });
});
