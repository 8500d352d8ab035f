import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Permission } from "../../gen/cairn/identity/v1/identity_pb";
import { newId } from "../common/ids/uuid";
import { newCall } from "../common/rpc/call";
import { createTestDatabase, databaseEngines } from "../common/sql/test-databases";
import { eventually, joinTestIdentity, startTestIdentity } from "./test-identity";

const call = newCall();
const everything = { permissions: [Permission.ADMIN], buckets: [] };

describe.each(databaseEngines)("the first start on %s", (engine) => {
  test("makes an admin whose key works, and tells it once", async () => {
    const identity = await startTestIdentity(engine);
    expect(identity.announced).toEqual([
      { userName: "admin", adminKey: expect.stringMatching(/^s3_key_[0-9a-f]{64}$/) },
    ]);
    const apiKey = identity.announced[0]?.adminKey ?? "";
    const { principal } = await identity.client.authenticate({ apiKey, sourceIp: "" }, call);
    expect(principal).toMatchObject({
      userName: "admin",
      admin: true,
      grant: everything,
      requestsPerMinute: -1,
    });
    const again = await identity.reopen();
    expect(again.announced).toEqual([]);
    await again.client.authenticate({ apiKey, sourceIp: "" }, call);
    await again.destroy();
  });

  test("a given key is the first one, is not told, and later ones are not read", async () => {
    const given = `s3_key_${randomBytes(32).toString("hex")}`;
    const later = `s3_key_${randomBytes(32).toString("hex")}`;
    const identity = await startTestIdentity(engine, { firstAdminKey: given });
    expect(identity.announced).toEqual([]);
    const again = await identity.reopen({ firstAdminKey: later });
    await again.client.authenticate({ apiKey: given, sourceIp: "" }, call);
    await expect(again.client.authenticate({ apiKey: later, sourceIp: "" }, call)).rejects.toMatchObject({
      reason: "INVALID_KEY",
    });
    await again.destroy();
  });

  test("a weak given key is refused and makes nothing", async () => {
    await expect(startTestIdentity(engine, { firstAdminKey: "letmein" })).rejects.toMatchObject({
      reason: "INVALID_ARGUMENT",
    });
  });

  test("a deleted first admin does not come back", async () => {
    const identity = await startTestIdentity(engine);
    const { client } = identity;
    const { users } = await client.listUsers({ limit: 10 }, call);
    const userId = newId();
    await client.createUser({ userId, name: "root", admin: true }, call);
    await client.createApiKey({ userId, name: "root", grant: everything }, call);
    await client.deleteUser({ userId: users[0]?.id ?? "" }, call);
    const again = await identity.reopen();
    expect((await again.client.listUsers({ limit: 10 }, call)).users.map((user) => user.name)).toEqual([
      "root",
    ]);
    await again.destroy();
  });

  test("another master key is refused", async () => {
    const identity = await startTestIdentity(engine);
    await expect(identity.reopen({ masterKey: randomBytes(32) })).rejects.toMatchObject({
      reason: "WRONG_MASTER_KEY",
    });
    await (await identity.reopen()).destroy();
  });
});

test("two processes that start at once on one PostgreSQL make one admin and share their keys", async () => {
  const place = await createTestDatabase("postgres", "identity");
  const masterKey = randomBytes(32);
  const [one, two] = await Promise.all([
    joinTestIdentity(place, masterKey),
    joinTestIdentity(place, masterKey),
  ]);
  const announced = [...one.announced, ...two.announced];
  expect(announced).toHaveLength(1);
  const apiKey = announced[0]?.adminKey ?? "";
  for (const { client } of [one, two]) {
    expect((await client.listUsers({ limit: 10 }, call)).users).toHaveLength(1);
    expect((await client.authenticate({ apiKey, sourceIp: "" }, call)).principal?.admin).toBe(true);
  }
  expect(await one.client.getTokenKey({}, call)).toEqual(await two.client.getTokenKey({}, call));
  await one.running.close();
  await two.destroy();
});

test("two processes on one PostgreSQL share their sums of requests, and revocations count in both", async () => {
  const one = await startTestIdentity("postgres");
  const two = await joinTestIdentity(one.place, one.masterKey, one.clock);
  const window = BigInt(Math.floor(one.clock.nowMs() / 60_000));
  const report = async ({ client }: typeof one, requests: number) => {
    const counts = [{ subject: "192.0.2.9", window, requests }];
    return (await client.reportRates({ gatewayId: "g", counts }, call)).sums[0]?.requests;
  };
  await report(one, 3);
  await report(two, 4);
  await eventually(async () => {
    one.clock.advance(1_000);
    return (await report(one, 0)) === 7 && (await report(two, 0)) === 7;
  });

  const apiKey = await one.running.newAdminKey();
  const { principal } = await two.client.authenticate({ apiKey, sourceIp: "" }, call);
  await one.client.revokeApiKey({ keyId: principal?.keyId ?? "" }, call);
  await expect(two.client.authenticate({ apiKey, sourceIp: "" }, call)).rejects.toMatchObject({
    reason: "REVOKED_KEY",
  });
  await one.running.close();
  await two.destroy();
});

test("no key and no secret lies in the files of the database", async () => {
  const identity = await startTestIdentity("sqlite");
  const { client } = identity;
  const userId = newId();
  await client.createUser({ userId, name: "ada" }, call);
  const made = await client.createApiKey({ userId, name: "find-me-by-name", grant: everything }, call);
  const rotated = await client.rotateApiKey({ keyId: made.key?.id ?? "" }, call);
  const pair = await client.createS3KeyPair({ userId, name: "x" }, call);
  const { key } = await client.getTokenKey({}, call);
  const secrets = [
    identity.announced[0]?.adminKey ?? "",
    made.text,
    rotated.text,
    pair.secretAccessKey,
    await identity.running.newAdminKey(),
  ].flatMap((text) => [Buffer.from(text), Buffer.from(text.replace("s3_key_", ""))]);
  const raw = [key, identity.masterKey].flatMap((bytes) => [
    Buffer.from(bytes),
    Buffer.from(Buffer.from(bytes).toString("base64")),
    Buffer.from(Buffer.from(bytes).toString("hex")),
  ]);
  const { config } = identity.place;
  const folder = config.kind === "sqlite" ? dirname(config.path) : "";
  const contents = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name))));
  // The control: what is stored in the clear is found this way.
  expect(contents.some((content) => content.includes("find-me-by-name"))).toBe(true);
  for (const secret of [...secrets, ...raw]) {
    expect(contents.some((content) => content.includes(secret))).toBe(false);
  }
  await identity.destroy();
});
