import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createTestDatabase } from "../../services/common/sql/test-databases";
import { type EmbeddedProcess, serveCairn } from "../support/cairn-process";
import { splitServices, startSplitStore } from "../support/split-store";
import { until } from "../support/until";
import { nothingIsLeftOver, removeAll, temporaryFiles, whatIsWrong } from "./support/checks";
import { MixedLoad } from "./support/mixed-load";
import { namedInPostgres, namedInSqlite } from "./support/named-replicas";
import { seededRandom, seedOfRun } from "./support/random";
import { StoreClient } from "./support/store-client";

/** CAIRN_KILL_CYCLES=50 is the whole proof; each way has its share of it in every run of the suite. */
const given = process.env.CAIRN_KILL_CYCLES;
const embeddedCycles = given === undefined ? 6 : Number(given);
const splitCycles = given === undefined ? splitServices.length : Number(given);
const cycleMs = 15_000;
const bucket = "kill-test";
const adminKey = "s3_key_5d0e9f2c7be14a3899d1c5f60b72ae34c8d1f09a6b5e4d3c2b1a09f8e7d6c5b4";
/** Short, so that the queues run within the test. */
const env = { ADMIN_API_KEY: adminKey, DELETE_GRACE: "500ms", ORPHAN_GRACE: "2s", LOG_LEVEL: "warn" };

let folder: string;
let store: EmbeddedProcess | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cairn-kill-"));
});
afterEach(async () => {
  // What it warned of belongs to the story of a failure; a sound run warns of little.
  const warnings = store?.lines.filter((line) => line.startsWith("{")) ?? [];
  if (warnings.length > 0) process.stdout.write(`${warnings.slice(-10).join("\n")}\n`);
  await store?.stop("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

test(
  `embedded: ${embeddedCycles} × kill -9 under mixed load lose nothing, tear nothing, leave nothing`,
  async () => {
    const random = seededRandom(seedOfRun("embedded kill"));
    store = await serveCairn(folder, env);
    const client = new StoreClient(store.url, adminKey);
    await client.expect([200], "PUT", `/${bucket}`);
    const load = new MixedLoad(client, bucket, random);
    for (let cycle = 1; cycle <= embeddedCycles; cycle++) {
      load.start();
      await delay(100 + random.whole(1_200));
      const ended = load.stop();
      await store.stop("SIGKILL");
      await ended;
      store = await serveCairn(folder, env);
      client.url = store.url;
      const observed = await whatIsWrong(client, load, "touched");
      expect({ cycle, wrong: observed.wrong }).toEqual({ cycle, wrong: [] });
      // The whole store died with the client's requests: nothing of them can still happen.
      load.settle(observed);
    }
    expect((await whatIsWrong(client, load, "all")).wrong).toEqual([]);
    await nothingIsLeftOver(client, namedInSqlite(folder));
    expect(await temporaryFiles(folder)).toEqual([]);
    await removeAll(client);
    process.stdout.write(`embedded: ${embeddedCycles} kills, ${told(load)}\n`);
    client.close();
    expect(await store.stop()).toBe(0);
  },
  150_000 + embeddedCycles * cycleMs,
);

test(
  `split: ${splitCycles} × kill -9 of one service after the other lose nothing, tear nothing, leave nothing`,
  async () => {
    const random = seededRandom(seedOfRun("split kill"));
    const database = await createTestDatabase("postgres", "metadata");
    if (database.config.kind !== "postgres") throw new Error("no PostgreSQL");
    const databaseUrl = database.config.url;
    const { ADMIN_API_KEY: _, ...shortGraces } = env;
    // "listens" is logged as information.
    const store = await startSplitStore({ folder, databaseUrl, env: { ...shortGraces, LOG_LEVEL: "info" } });
    try {
      const client = new StoreClient(store.url, store.adminKey);
      await until(async () => (await client.try("PUT", `/${bucket}`)).kind === "done");
      const load = new MixedLoad(client, bucket, random);
      for (let cycle = 1; cycle <= splitCycles; cycle++) {
        const service = splitServices[(cycle - 1) % splitServices.length] as (typeof splitServices)[number];
        load.start();
        await delay(300 + random.whole(1_200));
        await store.process(service).stop("SIGKILL");
        await delay(random.whole(600));
        await store.start(service);
        await until(async () => (await client.try("PUT", `/${bucket}/probe`)).kind !== "unknown");
        await delay(200);
        await load.stop();
        await client.expect([204], "DELETE", `/${bucket}/probe`);
        const { wrong } = await whatIsWrong(client, load, "touched");
        expect({ cycle, service, wrong }).toEqual({ cycle, service, wrong: [] });
        load.touched.clear();
        if (cycle % 10 === 0)
          process.stdout.write(`split: ${cycle} of ${splitCycles} kills, ${told(load)}\n`);
      }
      expect((await whatIsWrong(client, load, "all")).wrong).toEqual([]);
      await nothingIsLeftOver(client, namedInPostgres(databaseUrl));
      expect(await temporaryFiles(folder)).toEqual([]);
      await removeAll(client);
      process.stdout.write(`split: ${splitCycles} kills, ${told(load)}\n`);
      client.close();
    } finally {
      await store.close();
      await database.drop();
    }
  },
  240_000 + splitCycles * cycleMs,
);

function told(load: MixedLoad): string {
  return `${load.acknowledged} acknowledged, ${load.unknown} unknown, ${load.objects.size} keys, ${load.buckets.size} buckets`;
}
