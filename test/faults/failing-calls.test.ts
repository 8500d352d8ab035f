import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { until } from "../support/until";
import { nothingIsLeftOver, whatIsWrong } from "./support/checks";
import { MixedLoad } from "./support/mixed-load";
import { namedInPostgres } from "./support/named-replicas";
import { type Random, seededRandom, seedOfRun } from "./support/random";
import { openSplit, type Split } from "./support/split";
import { inject, whyNoStrace } from "./support/strace";

/** CAIRN_FAILING_CALLS=20 is the whole proof: so many of each kind, each another n-th call. */
const rounds = Number(process.env.CAIRN_FAILING_CALLS ?? 1);
const reason = whyNoStrace();
if (reason !== undefined) process.stdout.write(`no call fails: ${reason}\n`);
const withStrace = reason === undefined ? test : test.skip;

const writes = "pwrite64,pwritev,pwritev2";
const node = "storage-2";
let split: Split;
let random: Random;

beforeAll(async () => {
  random = seededRandom(seedOfRun("failing calls"));
  if (reason === undefined) split = await openSplit();
}, 90_000);
afterAll(() => split?.close(), 60_000);

const kinds: readonly [string, string, string][] = [
  ["write", writes, "error=EIO"],
  ["sync", "fdatasync,fsync", "error=EIO"],
  ["open", "openat", "error=EIO"],
  ["write that finds no room", writes, "error=ENOSPC"],
];
const cases = kinds.flatMap((kind) => Array.from({ length: rounds }, () => kind));

withStrace.each(cases)(
  "a node's n-th %s fails: nothing acknowledged is lost or wrong, and clients do not notice",
  async (kind, calls, error) => {
    const nth = 1 + random.whole(30);
    const pid = split.store.process(node).child.pid ?? 0;
    const load = await loadWhile(() => inject(pid, calls, `${error}:when=${nth}`), 1_500);
    const states = (await split.client.nodes()).flatMap(({ volumes }) => volumes.map(({ state }) => state));
    process.stdout.write(`${kind} ${nth}: volumes ${states.join(", ")}; ${load.acknowledged} acknowledged\n`);
    expect(await wrongWith(load)).toEqual([]);
    expect(load.reasons).toEqual([]);
    await replaceIfFenced();
    expect(await wrongWith(load)).toEqual([]);
    await nothingIsLeftOver(split.client, namedInPostgres(split.databaseUrl));
  },
  120_000,
);

withStrace(
  "a node's disk hangs without an error: writes and reads go on, and nothing is lost",
  async () => {
    const pid = split.store.process(node).child.pid ?? 0;
    const load = await loadWhile(() => inject(pid, writes, "delay_enter=2000000"), 4_000);
    expect(load.acknowledged).toBeGreaterThan(10);
    expect(await wrongWith(load)).toEqual([]);
    await replaceIfFenced();
    await nothingIsLeftOver(split.client, namedInPostgres(split.databaseUrl), 90_000);
  },
  180_000,
);

async function loadWhile(strike: () => Promise<() => Promise<void>>, forMs: number): Promise<MixedLoad> {
  const bucket = `load-${random.whole(1e9)}`;
  await split.client.expect([200], "PUT", `/${bucket}`);
  const load = new MixedLoad(split.client, bucket, random, 4);
  load.start();
  const letGo = await strike();
  await delay(forMs);
  await letGo();
  await load.stop();
  return load;
}

async function wrongWith(load: MixedLoad): Promise<readonly string[]> {
  const { wrong } = await whatIsWrong(split.client, load, "all");
  return wrong.filter((what) => !/^bucket (faults|load-\d+|scratch-\S+) is unknown$/.test(what));
}

/** Nothing clears a fence (P9): an operator gives the node an empty folder. */
async function replaceIfFenced(): Promise<void> {
  const state = async () => {
    const views = await split.client.nodes();
    return views.find(({ address }) => address.endsWith(`:${split.store.ports[node]}`))?.volumes[0]?.state;
  };
  await until(async () => ["online", "fenced"].includes((await state()) ?? ""), 60_000);
  if ((await state()) === "fenced") {
    await split.store.process(node).stop("SIGTERM");
    await rm(join(split.folder, node), { recursive: true });
    await split.store.start(node);
  }
  await until(async () => (await state()) === "online", 30_000);
  const named = namedInPostgres(split.databaseUrl);
  // What the fenced volume held is given up, and lies on the new one.
  await until(async () => {
    const [rows, views] = await Promise.all([named(), split.client.nodes()]);
    const counts = views.flatMap((view) => view.volumes.map(({ id }) => rows.get(id) ?? 0));
    return rows.size === counts.length && new Set(counts).size === 1;
  }, 60_000);
}
