import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { until } from "../support/until";
import { type Body, md5Of } from "./support/bodies";
import { putObjects } from "./support/mixed-load";
import { seededRandom, seedOfRun } from "./support/random";
import { openSplit, type Split, shortGraces } from "./support/split";

/** P7: a database from the past, or an empty one, is served as it says; but on its word no byte is deleted. */
const sizesBytes = [10, 4_000, 70_000, 300_000, 1_500_000];
const users = ["gateway", "object", "bucket", "identity", "metadata"] as const;
/** Many times the graces of orphans and deletes in `shortGraces`. */
const watchedMs = 8_000;

const root = join(__dirname, "../..");
let split: Split | undefined;
afterEach(async () => {
  await split?.close();
  split = undefined;
}, 60_000);

test("a database restored from the past: what it knows is read, and not one byte is deleted", async () => {
  split = await openSplit();
  const { before, replicas } = await restoreTheDatabase(split);
  await allReadable(split, before);
  await until(async () => (await holds(split as Split)).every((hold) => hold !== ""), 30_000);
  await delay(watchedMs);
  expect(await replicasOn(split)).toEqual(replicas);
  await allReadable(split, before);
  // New work goes on beside it.
  const after = await putObjects(split.client, split.bucket, seededRandom(1), sizesBytes, "after");
  await allReadable(split, after);
}, 300_000);

test("an empty database: not one byte is deleted", async () => {
  split = await openSplit();
  await putObjects(split.client, split.bucket, seededRandom(seedOfRun("empty database")), sizesBytes);
  const replicas = await copiesOf(split, sizesBytes.length);
  await withoutUsers(split, async (administer, name) => {
    await administer(`drop database ${name} with (force)`);
    await administer(`create database ${name}`);
  });
  await until(async () => (await holds(split as Split)).every((hold) => hold !== ""), 30_000);
  await delay(watchedMs);
  expect(await replicasOn(split)).toEqual(replicas);
}, 300_000);

test("control: a store that deletes on any database's word loses bytes here, and that is noticed", async () => {
  const program = join(root, `dist/planted-cairn-${process.pid}.js`);
  const builder = join(__dirname, "support/build-planted-cairn.mjs");
  execFileSync(process.execPath, [builder, "deletes-by-any-database", program], { cwd: root });
  try {
    split = await openSplit(shortGraces, undefined, program);
    const { replicas } = await restoreTheDatabase(split);
    await until(
      async () => JSON.stringify(await replicasOn(split as Split)) !== JSON.stringify(replicas),
      40_000,
    );
  } finally {
    rmSync(program, { force: true });
  }
}, 300_000);

/** Puts objects, keeps the database, puts more, and gives the store the one that was kept. */
async function restoreTheDatabase(
  store: Split,
): Promise<{ before: Map<string, Body>; replicas: readonly number[] }> {
  const random = seededRandom(seedOfRun("database restored"));
  const before = await putObjects(store.client, store.bucket, random, sizesBytes, "before");
  await withoutUsers(store, async (administer, name) => {
    await administer(`create database ${name}_kept template ${name}`);
  });
  await until(async () => (await store.client.nodes()).every(({ alive }) => alive), 30_000);
  const later = await putObjects(store.client, store.bucket, random, sizesBytes, "later");
  await allReadable(store, later);
  // The volumes have heard of the later changes by then: they compare every ten seconds.
  await delay(11_000);
  const replicas = await copiesOf(store, 2 * sizesBytes.length);
  await withoutUsers(store, async (administer, name) => {
    await administer(`drop database ${name} with (force)`);
    await administer(`alter database ${name}_kept rename to ${name}`);
  });
  return { before, replicas };
}

/** Stops all that use the database, and the object service, does the work, and starts them again. */
async function withoutUsers(
  { store, databaseUrl }: Split,
  work: (administer: (statement: string) => Promise<unknown>, name: string) => Promise<void>,
): Promise<void> {
  await Promise.all(users.map((user) => store.process(user).stop("SIGTERM")));
  const url = new URL(databaseUrl);
  const name = url.pathname.slice(1);
  url.pathname = "/postgres";
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    await work((statement) => client.query(statement), name);
  } finally {
    await client.end();
  }
  await Promise.all(users.map((user) => store.start(user)));
}

/** All three copies of so many blobs are there, as the nodes tell in their next heartbeats. */
async function copiesOf(store: Split, blobs: number): Promise<number[]> {
  const all = [blobs, blobs, blobs];
  await until(async () => JSON.stringify(await replicasOn(store)) === JSON.stringify(all), 30_000);
  return all;
}

/** Blobs on each volume, as the nodes tell. */
async function replicasOn({ client }: Split): Promise<number[]> {
  return (await client.nodes()).flatMap(({ volumes }) => volumes.map(({ blobs }) => blobs)).sort();
}

async function holds({ client }: Split): Promise<string[]> {
  return (await client.nodes()).flatMap(({ volumes }) => volumes.map(({ deleteHold }) => deleteHold));
}

async function allReadable({ client, bucket }: Split, bodies: ReadonlyMap<string, Body>): Promise<void> {
  for (const [key, { md5 }] of bodies) {
    const { body } = await client.expect([200], "GET", `/${bucket}/${key}`);
    expect({ key, md5: md5Of(body) }).toEqual({ key, md5 });
  }
}
