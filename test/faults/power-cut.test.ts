import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { buildSync } from "esbuild";
import { type EmbeddedProcess, serveCairn } from "../support/cairn-process";
import { nothingIsLeftOver, whatIsWrong } from "./support/checks";
import { MixedLoad, putObjects } from "./support/mixed-load";
import { namedInSqlite } from "./support/named-replicas";
import {
  type FileSystem,
  openPowerCutDisk,
  type PowerCutDisk,
  whyNoPowerCut,
} from "./support/power-cut-disk";
import { seededRandom, seedOfRun } from "./support/random";
import { StoreClient } from "./support/store-client";
import type { Keeping } from "./support/unsafe-store";

/** CAIRN_POWER_CYCLES=50 is the whole proof: so many cuts on each file system. */
const cycles = Number(process.env.CAIRN_POWER_CYCLES ?? 3);
const fileSystems: readonly FileSystem[] = ["xfs", "ext4"];
const bucket = "power";
const adminKey = "s3_key_5d0e9f2c7be14a3899d1c5f60b72ae34c8d1f09a6b5e4d3c2b1a09f8e7d6c5b4";
const env = {
  ADMIN_API_KEY: adminKey,
  DELETE_GRACE: "500ms",
  ORPHAN_GRACE: "2s",
  STORAGE_RESERVE: "64MiB",
  LOG_LEVEL: "error",
};

const reasons = new Map(fileSystems.map((system) => [system, whyNoPowerCut(system)]));
for (const [system, reason] of reasons)
  if (reason !== undefined) process.stdout.write(`no power is cut on ${system}: ${reason}\n`);
const powered = fileSystems.filter((system) => reasons.get(system) === undefined);
const withPower = powered.includes("xfs") ? test : test.skip;

let disk: PowerCutDisk | undefined;
let store: EmbeddedProcess | undefined;
let unsafe: ChildProcess | undefined;
afterEach(async () => {
  await store?.stop("SIGKILL");
  unsafe?.kill("SIGKILL");
  await disk?.close();
  disk = undefined;
});

for (const system of fileSystems)
  if (!powered.includes(system)) test.skip(`power cuts on ${system}: ${reasons.get(system)}`, () => {});

for (const system of powered)
  test(
    `${cycles} power cuts of ${system} under mixed load lose nothing that was acknowledged`,
    async () => {
      const random = seededRandom(seedOfRun(`power cut of ${system}`));
      disk = openPowerCutDisk(system);
      const data = join(disk.folder, "data");
      store = await serveCairn(data, env);
      const client = new StoreClient(store.url, adminKey);
      await client.expect([200], "PUT", `/${bucket}`);
      const load = new MixedLoad(client, bucket, random);
      for (let cycle = 1; cycle <= cycles; cycle++) {
        load.start();
        await delay(200 + random.whole(1_200));
        disk.cut();
        // Requests that are under way meet the dead disk: none of them may be acknowledged any more.
        await delay(50);
        const ended = load.stop();
        await store.stop("SIGKILL");
        await ended;
        await disk.restore();
        store = await serveCairn(data, env);
        client.url = store.url;
        const observed = await whatIsWrong(client, load, "touched");
        expect({ cycle, wrong: observed.wrong }).toEqual({ cycle, wrong: [] });
        load.settle(observed);
      }
      expect((await whatIsWrong(client, load, "all")).wrong).toEqual([]);
      await nothingIsLeftOver(client, namedInSqlite(data));
      process.stdout.write(
        `${cycles} power cuts of ${system}, ${load.acknowledged} acknowledged, ${load.unknown} unknown\n`,
      );
      client.close();
      await store.stop();
    },
    60_000 + cycles * 20_000,
  );

const entry = join(__dirname, `../../dist/unsafe-store-${process.pid}.js`);
beforeAll(() => {
  buildSync({
    entryPoints: [join(__dirname, "support/unsafe-store.ts")],
    outfile: entry,
    bundle: true,
    packages: "external",
    platform: "node",
    target: "node20",
  });
});
afterAll(() => rmSync(entry, { force: true }));

withPower.each([
  ["a journal that is not synced", "journal-unsynced"],
  ["SQLite with synchronous=OFF", "sqlite-off"],
] as const)(
  "control: %s loses acknowledged writes, and that is noticed",
  async (what, keeping) => {
    const { lost, acknowledged } = await lostByCut(keeping);
    process.stdout.write(`control, ${what}: ${lost} of ${acknowledged} acknowledged writes lost\n`);
    expect(lost).toBeGreaterThan(0);
  },
  60_000,
);

withPower(
  "SQLite alone, with synchronous=FULL, loses nothing where those do",
  async () => {
    expect(await lostByCut("sqlite-full")).toEqual({ lost: 0, acknowledged: 4 });
  },
  60_000,
);

/** How many of a few acknowledged writes a power cut right behind them takes. */
async function lostByCut(keeping: Keeping): Promise<{ lost: number; acknowledged: number }> {
  const random = seededRandom(seedOfRun("power cut control"));
  disk = openPowerCutDisk("xfs");
  const data = join(disk.folder, "data");
  mkdirSync(data);
  const client = new StoreClient("", adminKey);
  client.url = await startUnsafe(data, keeping);
  await client.expect([200], "PUT", `/${bucket}`);
  // All that a start makes is on the disk, so that only the commits behind it are at stake.
  await stopUnsafe("SIGTERM");
  await disk.restore();
  client.url = await startUnsafe(data, keeping);
  const bodies = await putObjects(client, bucket, random, [1_000, 20_000, 300_000, 5_000], "acknowledged");
  disk.cut();
  await stopUnsafe("SIGKILL");
  await disk.restore();
  client.url = await startUnsafe(data, keeping);
  let lost = 0;
  for (const key of bodies.keys())
    if ((await client.expect([200, 404], "HEAD", `/${bucket}/${key}`)).status === 404) lost += 1;
  client.close();
  await stopUnsafe("SIGKILL");
  return { lost, acknowledged: bodies.size };
}

async function startUnsafe(data: string, keeping: Keeping): Promise<string> {
  const child = spawn(process.execPath, [entry, data, adminKey, keeping], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { PATH: process.env.PATH },
  });
  unsafe = child;
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url] = /Address\s+(http:\S+)/.exec(line) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error("the unsafe store did not start");
}

async function stopUnsafe(signal: NodeJS.Signals): Promise<void> {
  const child = unsafe;
  if (child === undefined) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await ended;
}
