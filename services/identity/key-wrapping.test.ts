import { randomBytes } from "node:crypto";
import { newId } from "../common/ids/uuid";
import { newCall } from "../common/rpc/call";
import { openDatabase } from "../common/sql/open-database";
import { databaseEngines } from "../common/sql/test-databases";
import { ensureServiceKeys, rewrapKeys } from "./key-wrapping";
import { secretPlace } from "./s3-key-pairs";
import { seal, unseal } from "./seal";
import type { IdentityTables } from "./tables";
import { startTestIdentity } from "./test-identity";

const call = newCall();

test("what is sealed opens under the same key in the same place only", () => {
  const key = randomBytes(32);
  const sealed = seal(key, "here", Buffer.from("secret"), randomBytes);
  expect(unseal(key, "here", sealed)?.toString()).toBe("secret");
  expect(unseal(key, "there", sealed)).toBeUndefined();
  expect(unseal(randomBytes(32), "here", sealed)).toBeUndefined();
  expect(unseal(key, "here", `${sealed.slice(0, -4)}AAAA`)).toBeUndefined();
  expect(unseal(key, "here", "")).toBeUndefined();
  expect(seal(key, "here", Buffer.from("secret"), randomBytes)).not.toBe(sealed);
});

describe.each(databaseEngines)("rotating the master key on %s", (engine) => {
  test("kills no credential, and the old master key opens nothing any more", async () => {
    const identity = await startTestIdentity(engine);
    const apiKey = identity.announced[0]?.adminKey ?? "";
    const { key: tokenKey } = await identity.client.getTokenKey({}, call);
    await identity.running.close();
    const newMasterKey = randomBytes(32);
    const rotate = {
      database: identity.place.config,
      oldMasterKey: identity.masterKey,
      newMasterKey,
      random: randomBytes,
    };
    expect(await rewrapKeys(rotate)).toBe(3);
    expect(await rewrapKeys(rotate)).toBe(0);

    await expect(identity.reopen()).rejects.toMatchObject({ reason: "WRONG_MASTER_KEY" });
    const rotated = await identity.reopen({ masterKey: newMasterKey });
    expect(rotated.announced).toEqual([]);
    await rotated.client.authenticate({ apiKey, sourceIp: "" }, call);
    expect((await rotated.client.getTokenKey({}, call)).key).toEqual(tokenKey);
    await rotated.destroy();
  });

  test("with a wrong old key changes nothing", async () => {
    const identity = await startTestIdentity(engine);
    await identity.running.close();
    const [oldMasterKey, newMasterKey] = [randomBytes(32), randomBytes(32)];
    await expect(
      rewrapKeys({ database: identity.place.config, oldMasterKey, newMasterKey, random: randomBytes }),
    ).rejects.toMatchObject({ reason: "WRONG_MASTER_KEY" });
    await (await identity.reopen()).destroy();
  });

  test("a sealed S3 secret opens by its wrapped key, and is gone once revoked", async () => {
    const identity = await startTestIdentity(engine);
    const userId = newId();
    await identity.client.createUser({ userId, name: "ada" }, call);
    const { keyPair, secretAccessKey } = await identity.client.createS3KeyPair({ userId, name: "x" }, call);
    const accessKeyId = keyPair?.accessKeyId ?? "";
    const database = await openDatabase<IdentityTables>(identity.place.config);
    const { s3Secrets } = await database.transaction((trx) =>
      ensureServiceKeys(trx, identity.masterKey, 0, randomBytes),
    );
    const stored = async () =>
      (await database.db.selectFrom("s3_key_pairs").select("sealed_secret").execute())[0];
    const sealed = (await stored())?.sealed_secret ?? "";
    expect(unseal(s3Secrets, secretPlace(accessKeyId), sealed)?.toString()).toBe(secretAccessKey);
    await identity.client.revokeS3KeyPair({ accessKeyId }, call);
    expect((await stored())?.sealed_secret).toBe("");
    await database.close();
    await identity.destroy();
  });
});
