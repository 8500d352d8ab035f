import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type EmbeddedProcess, serveCairn } from "../support/cairn-process";
import { until } from "../support/until";
import { type Body, md5Of } from "./support/bodies";
import { nothingIsLeftOver, whatIsWrong } from "./support/checks";
import { journalIsLevel } from "./support/journal-level";
import { MixedLoad, putObjects } from "./support/mixed-load";
import { namedInSqlite } from "./support/named-replicas";
import { type Random, seededRandom, seedOfRun } from "./support/random";
import { openSmallDisk, type SmallDisk, whyNoSmallDisk } from "./support/small-disk";
import { StoreClient } from "./support/store-client";

/** An embedded store on three small disks, some of which really are full: to the last byte, by a file of nobody's. */
const adminKey = "s3_key_5d0e9f2c7be14a3899d1c5f60b72ae34c8d1f09a6b5e4d3c2b1a09f8e7d6c5b4";
const env = {
  ADMIN_API_KEY: adminKey,
  STORAGE_RESERVE: "8MiB",
  DELETE_GRACE: "500ms",
  ORPHAN_GRACE: "2s",
  LOG_LEVEL: "error",
};
const bucket = "full";
const diskMiB = 128;

const reason = whyNoSmallDisk();
if (reason !== undefined) process.stdout.write(`no disk is filled: ${reason}\n`);
const withDisks = reason === undefined ? test : test.skip;

let disks: SmallDisk[] = [];
let store: EmbeddedProcess | undefined;
let client: StoreClient;
let random: Random;
beforeEach(async () => {
  if (reason !== undefined) return;
  random = seededRandom(seedOfRun("full disk"));
  disks = [1, 2, 3].map(() => openSmallDisk(diskMiB));
  const [first = "", ...others] = disks.map(({ folder }) => join(folder, "data"));
  const data = others.flatMap((folder) => ["--data", folder]);
  store = await serveCairn(first, env, data);
  client = new StoreClient(store.url, adminKey);
  await client.expect([200], "PUT", `/${bucket}`);
}, 60_000);
afterEach(async () => {
  client?.close();
  await store?.stop("SIGKILL");
  for (const disk of disks) disk.close();
  disks = [];
}, 30_000);

withDisks(
  "one folder full: writes go on with the others, and when there is room again it gets what it missed",
  async () => {
    const [, , full] = disks;
    const load = await loadWhile(() => full?.fill());
    expect(load.reasons).toEqual([]);
    expect(load.acknowledged).toBeGreaterThan(20);
    full?.free();
    await allIsWellAgain(load);
  },
  120_000,
);

withDisks(
  "the folder with SQLite full: nothing acknowledged is lost, reads go on, and writes open again by themselves",
  async () => {
    const before = await putObjects(client, bucket, random, [500, 70_000, 2_000_000], "before");
    const [full] = disks;
    const load = await loadWhile(() => full?.fill());
    for (let tries = 0; tries < 3; tries++) await expectRight(before);
    await expectAClearAnswer("while-full");
    full?.free();
    await until(async () => (await put("again")).status === 200, 30_000);
    await expectRight(before);
    await allIsWellAgain(load, before);
  },
  120_000,
);

withDisks(
  "all folders full: 507 or 503 that says why and has no effect, reads go on, room again: writes again",
  async () => {
    const before = await putObjects(client, bucket, random, [500, 70_000, 2_000_000], "before");
    for (const disk of disks) disk.fill();
    await until(async () => (await put("before-0")).status === 507, 20_000);
    await expectAClearAnswer("new");
    await expectRight(before);
    expect((await client.list(bucket)).map(({ key }) => key)).toEqual([...before.keys()]);
    for (const disk of disks) disk.free();
    await until(async () => (await put("new")).status === 200, 30_000);
    await expectRight(before);
    await journalIsLevel(client);
  },
  120_000,
);

withDisks(
  "filled by objects to its reserve: 507, and deletes bring the room back by themselves",
  async () => {
    const bodies = new Map<string, Body>();
    let status = 200;
    for (let round = 0; status === 200 && round < 100; round++) {
      const [[key, body] = ["", undefined]] = await putUnlessFull(`fill-${round}`);
      if (body === undefined) status = 507;
      else bodies.set(key, body);
    }
    expect(status).toBe(507);
    expect(bodies.size).toBeGreaterThan(10);
    await expectAClearAnswer("one-more");
    await expectRight(new Map([...bodies].slice(-5)));
    for (const key of [...bodies.keys()].slice(0, 8))
      await client.expect([204], "DELETE", `/${bucket}/${key}`);
    await until(async () => (await put("again")).status === 200, 30_000);
    await expectRight(new Map([...bodies].slice(8)));
  },
  180_000,
);

async function loadWhile(strike: () => void): Promise<MixedLoad> {
  const load = new MixedLoad(client, bucket, random, 3);
  load.start();
  await delay(500);
  strike();
  await delay(2_500);
  await load.stop();
  expect(load.wrong).toEqual([]);
  return load;
}

/** All that was acknowledged is there, three copies of it, and three sound folders of the journal. */
async function allIsWellAgain(load: MixedLoad, others: ReadonlyMap<string, Body> = new Map()): Promise<void> {
  for (const [key, { md5 }] of others) load.know(key, md5);
  load.objects.delete("again");
  await client.send("DELETE", `/${bucket}/again`);
  await journalIsLevel(client);
  expect((await whatIsWrong(client, load, "all")).wrong).toEqual([]);
  const [first] = disks;
  await nothingIsLeftOver(client, namedInSqlite(join(first?.folder ?? "", "data")));
}

function put(key: string) {
  return client.send("PUT", `/${bucket}/${key}`, { body: Buffer.alloc(50_000, key) });
}

/** Taken where that is possible; else refused, and the answer says why. */
async function expectAClearAnswer(key: string): Promise<void> {
  const answer = await put(key);
  process.stdout.write(`${key}: ${answer.status} ${answer.body.toString().slice(0, 200)}\n`);
  if (answer.status === 200) return;
  expect([503, 507]).toContain(answer.status);
  expect(answer.body.toString()).toMatch(/disk is full|has room|not known|lost during COMMIT/);
}

/** The object, unless there was no room for it. */
async function putUnlessFull(prefix: string): Promise<[string, Body][]> {
  try {
    return [...(await putObjects(client, bucket, random, [6_000_000], prefix))];
  } catch (error) {
    if (String(error).includes("507")) return [];
    throw error;
  }
}

async function expectRight(bodies: ReadonlyMap<string, Body>): Promise<void> {
  for (const [key, { md5 }] of bodies) {
    const { body } = await client.expect([200], "GET", `/${bucket}/${key}`);
    expect({ key, md5: md5Of(body) }).toEqual({ key, md5 });
  }
}
