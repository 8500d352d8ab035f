import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { SplitService } from "../support/split-store";
import { until } from "../support/until";
import type { Body } from "./support/bodies";
import { md5Of } from "./support/bodies";
import { nothingIsLeftOver, whatIsWrong } from "./support/checks";
import { MixedLoad, putObjects } from "./support/mixed-load";
import { namedInPostgres } from "./support/named-replicas";
import { type Random, seededRandom, seedOfRun } from "./support/random";
import { openSplit, type Split } from "./support/split";

const nodes = ["storage-1", "storage-2", "storage-3"] as const;
const sizesBytes = [10, 4_000, 70_000, 300_000, 2_500_000, 5_000_000];

let split: Split;
let random: Random;

beforeAll(async () => {
  random = seededRandom(seedOfRun("nodes"));
  split = await openSplit();
}, 60_000);
afterAll(() => split?.close(), 60_000);

test("one node stopped: writes and reads go on; when it is back, three copies are everywhere", async () => {
  const before = await putObjects(split.client, split.bucket, random, sizesBytes, "before");
  await split.store.process("storage-3").stop("SIGTERM");
  expect(await wrongUnderLoad(2_500)).toEqual([]);
  const during = await putObjects(split.client, split.bucket, random, sizesBytes, "during");
  await expectRight(new Map([...before, ...during]));
  await split.store.start("storage-3");
  await threeCopiesEverywhere();
  for (const alone of nodes) {
    const others = nodes.filter((node) => node !== alone);
    await Promise.all(others.map((node) => split.store.process(node).stop("SIGTERM")));
    await expectRight(new Map([...before, ...during]));
    await Promise.all(others.map((node) => split.store.start(node)));
    await allAlive();
  }
}, 240_000);

test("two nodes stopped: reads go on, writes are 503 with Retry-After and without effect", async () => {
  const before = await putObjects(split.client, split.bucket, random, sizesBytes, "two-before");
  const stopped = ["storage-1", "storage-3"] as const;
  await Promise.all(stopped.map((node) => split.store.process(node).stop("SIGTERM")));
  await expectRight(before);
  for (const path of ["two-before-1", "two-new"]) {
    const answer = await split.client.send("PUT", `/${split.bucket}/${path}`, {
      body: Buffer.from("refused"),
    });
    expect({ path, status: answer.status }).toEqual({ path, status: 503 });
    expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
  }
  await expectRight(before);
  await Promise.all(stopped.map((node) => split.store.start(node)));
  await allAlive();
  await expectRight(before);
  await split.client.expect([404], "HEAD", `/${split.bucket}/two-new`);
  await split.client.expect([200], "PUT", `/${split.bucket}/two-new`, { body: Buffer.from("taken") });
  await threeCopiesEverywhere();
}, 180_000);

test("a node that hangs stops neither writes nor reads", async () => {
  const before = await putObjects(split.client, split.bucket, random, sizesBytes, "hang-before");
  const { child } = split.store.process("storage-2");
  child.kill("SIGSTOP");
  try {
    expect(await wrongUnderLoad(4_000)).toEqual([]);
    await expectRight(before);
    const during = await putObjects(split.client, split.bucket, random, sizesBytes, "hang-during");
    await expectRight(during);
  } finally {
    child.kill("SIGCONT");
  }
  await allAlive();
  await threeCopiesEverywhere();
}, 180_000);

test("a wrong bit on one node's disk is never served, and is mended from another copy", async () => {
  const [key, body] = [
    ...(await putObjects(split.client, split.bucket, random, [777_777], "damaged")),
  ][0] as [string, Body];
  const path = await fileWith(join(split.folder, "storage-1"), body.bytes.subarray(0, 512));
  const bytes = await readFile(path);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] as number) ^ 0x08;
  await writeFile(path, bytes);
  for (let reads = 0; reads < 30; reads++) await expectRight(new Map([[key, body]]));
  await threeCopiesEverywhere();
  const others = ["storage-2", "storage-3"] as const;
  await Promise.all(others.map((node) => split.store.process(node).stop("SIGTERM")));
  await expectRight(new Map([[key, body]]));
  await Promise.all(others.map((node) => split.store.start(node)));
  await allAlive();
}, 180_000);

test("a node that returns with an empty disk is a new volume, and every blob has three copies again", async () => {
  const before = await putObjects(split.client, split.bucket, random, sizesBytes, "empty-before");
  const former = await volumeAt("storage-2");
  await split.store.process("storage-2").stop("SIGTERM");
  await rm(join(split.folder, "storage-2"), { recursive: true });
  await split.store.start("storage-2");
  await allAlive();
  expect(await volumeAt("storage-2")).not.toBe(former);
  await expectRight(before);
  const named = namedInPostgres(split.databaseUrl);
  await until(async () => {
    const [rows, views] = await Promise.all([named(), split.client.nodes()]);
    const counts = views.flatMap((node) => node.volumes.map(({ id, blobs }) => [blobs, rows.get(id) ?? 0]));
    return counts.length === 3 && counts.flat().every((count) => count > 0 && count === counts[0]?.[0]);
  }, 60_000);
  await Promise.all(
    ["storage-1", "storage-3"].map((node) => split.store.process(node as SplitService).stop()),
  );
  await expectRight(before);
}, 180_000);

/** A mixed load for a while: nothing is wrong, and nothing was refused or left unknown. */
async function wrongUnderLoad(forMs: number): Promise<readonly string[]> {
  const bucket = `load-${random.whole(1e9)}`;
  await split.client.expect([200], "PUT", `/${bucket}`);
  const load = new MixedLoad(split.client, bucket, random, 4);
  load.start();
  await delay(forMs);
  await load.stop();
  expect(load.acknowledged).toBeGreaterThan(10);
  const { wrong } = await whatIsWrong(split.client, load, "all");
  const foreign = /^bucket (faults|load-\d+|scratch-\S+) is unknown$/;
  return [...wrong.filter((what) => !foreign.test(what)), ...load.reasons];
}

async function expectRight(bodies: ReadonlyMap<string, Body>): Promise<void> {
  for (const [key, { md5 }] of bodies) {
    const { body } = await split.client.expect([200], "GET", `/${split.bucket}/${key}`);
    expect({ key, md5: md5Of(body) }).toEqual({ key, md5 });
  }
}

async function allAlive(): Promise<void> {
  await until(async () => {
    const views = await split.client.nodes();
    return views.every((node) => node.alive && node.volumes.every(({ state }) => state === "online"));
  }, 20_000);
}

/** The queues are empty, and each of the three volumes holds every blob that is named. */
async function threeCopiesEverywhere(): Promise<void> {
  const named = namedInPostgres(split.databaseUrl);
  await nothingIsLeftOver(split.client, named);
  const counts = [...(await named()).values()];
  expect(counts).toHaveLength(3);
  expect(new Set(counts).size).toBe(1);
}

async function volumeAt(service: SplitService): Promise<string | undefined> {
  const views = await split.client.nodes();
  return views.find(({ address }) => address.endsWith(`:${split.store.ports[service]}`))?.volumes[0]?.id;
}

/** The file that holds these bytes. */
async function fileWith(folder: string, bytes: Buffer): Promise<string> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && (await readFile(path)).includes(bytes)) return path;
  }
  throw new Error(`no file below ${folder} holds the bytes`);
}
