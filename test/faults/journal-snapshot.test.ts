import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { MetadataService } from "../../gen/cairn/metadata/v1/metadata_pb";
import { embeddedDatabase, openKeeper } from "../../services/cli/embedded-state";
import { newId } from "../../services/common/ids/uuid";
import { JournalUnusable } from "../../services/common/journal/start-options";
import { silentLogger } from "../../services/common/log/logger";
import { createMetrics } from "../../services/common/metrics/metrics";
import { newCall } from "../../services/common/rpc/call";
import { localClient } from "../../services/common/rpc/local";
import { type Clock, systemClock } from "../../services/common/time/clock";
import { ManualClock } from "../../services/common/time/manual-clock";
import { defaultMetadataConfig } from "../../services/metadata/config";
import { openMetadata } from "../../services/metadata/open";
import { until } from "../support/until";

let folder: string;
const said: string[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cairn-journal-"));
  for (const name of ["state", "a", "b", "c"]) mkdirSync(join(folder, name));
  said.length = 0;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** The metadata service by its journal, on real files. */
async function open(clock: Clock = systemClock) {
  const journals = ["a", "b", "c"].map((name) => join(folder, name, "journal"));
  const folders = { states: [{ folder: join(folder, "state"), beside: journals[0] ?? "" }], journals };
  const metrics = createMetrics({ defaults: false });
  const keeper = await openKeeper(folders, {
    clock,
    log: silentLogger,
    metrics,
    say: (line) => said.push(line),
    mendEveryMs: 50,
  });
  try {
    const running = await openMetadata({
      database: embeddedDatabase(keeper, "metadata"),
      config: defaultMetadataConfig,
      clock: systemClock,
      log: silentLogger,
      metrics,
    });
    const client = localClient(MetadataService, running.service);
    return {
      keeper,
      make: async (name: string) => {
        const value = { bucketId: newId(), name, ownerId: "o" };
        await client.execute(
          { commands: [{ id: newId(), change: { case: "createBucket", value } }] },
          newCall(),
        );
      },
      names: async () => {
        const { buckets } = await client.listBuckets({ ownerId: "o", limit: 1_000 }, newCall());
        return buckets.map(({ name }) => name).sort();
      },
      close: async () => {
        await running.close();
        await keeper.close();
      },
    };
  } catch (error) {
    await keeper.close();
    throw error;
  }
}

const names = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `bucket-${String(from + index).padStart(4, "0")}`);
const logsOf = (name: string) =>
  readdirSync(join(folder, name, "journal")).filter((file) => file.endsWith(".log"));
const snapshotsOf = (name: string) =>
  readdirSync(join(folder, name, "journal")).filter((file) => file.startsWith("snapshot-"));
const level = (keeper: { health(): { ok: boolean }[] }) => until(() => keeper.health().every(({ ok }) => ok));

test("the whole log played anew makes the same tables", async () => {
  const tables = () => {
    const file = new Sqlite(join(folder, "state", "metadata.db"), { readonly: true });
    const known = file.prepare("select name, sql from sqlite_master order by name").all() as {
      name: string;
      sql: string;
    }[];
    const rows = known
      .filter(({ sql }) => /^create table/i.test(sql))
      .map(({ name }) => [name, file.prepare(`select * from "${name}"`).all()] as const)
      .filter(([name]) => name !== "journal_position");
    file.close();
    return { known, rows };
  };
  let store = await open();
  for (const name of names(0, 20)) await store.make(name);
  await store.close();
  const before = tables();
  expect(before.rows.find(([name]) => name === "buckets")?.[1]).toHaveLength(20);
  rmSync(join(folder, "state"), { recursive: true });
  mkdirSync(join(folder, "state"));
  store = await open();
  await store.close();
  expect(tables()).toEqual(before);
});

test("a snapshot is made where SQLite is not, the log is cut behind it, and SQLite is made anew from it", async () => {
  let store = await open();
  for (const name of names(0, 20)) await store.make(name);
  await store.close();
  // Another start begins another file: the one before it can be cut.
  store = await open();
  await store.keeper.snapshot();
  for (const name of names(20, 30)) await store.make(name);
  expect([snapshotsOf("a").length, snapshotsOf("b").length, snapshotsOf("c").length]).toEqual([0, 1, 1]);
  expect([logsOf("a").length, logsOf("b").length, logsOf("c").length]).toEqual([1, 1, 1]);
  await store.close();
  rmSync(join(folder, "state"), { recursive: true });
  rmSync(join(folder, "a", "journal"), { recursive: true });
  mkdirSync(join(folder, "state"));
  store = await open();
  expect(await store.names()).toEqual(names(0, 30));
  expect(said.join("\n")).toMatch(/Restoring metadata from .*snapshot-\d+: 100 % of \d+ MiB/);
  await level(store.keeper);
  expect(existsSync(join(folder, "a", "journal", "claim.json"))).toBe(true);
  await store.make("bucket-0030");
  await store.close();
  store = await open();
  expect(await store.names()).toEqual(names(0, 31));
  await store.close();
});

test("another database's sound file in the place of this one is set aside and made anew", async () => {
  let store = await open();
  for (const name of names(0, 5)) await store.make(name);
  await store.close();
  const file = new Sqlite(join(folder, "state", "metadata.db"));
  expect(
    file.prepare("update journal_database set name = 'identity' where name = 'metadata'").run().changes,
  ).toBe(1);
  file.close();
  store = await open();
  expect(said.join("\n")).toMatch(/metadata\.db does not lie on the journal: it is set aside and made anew/);
  expect(await store.names()).toEqual(names(0, 5));
  await store.close();
});

test("an hour after the last one a snapshot is made by itself, and not before", async () => {
  const clock = new ManualClock();
  const store = await open(clock);
  await store.make("bucket-0000");
  const pass = async (ms: number) => {
    clock.advance(ms);
    // The keeper looks, and sleeps again.
    await new Promise((resolve) => setImmediate(resolve));
  };
  for (let minutes = 0; minutes < 59; minutes++) await pass(60_000);
  expect(snapshotsOf("b")).toEqual([]);
  await until(async () => {
    await pass(60_000);
    return snapshotsOf("b").length === 1 && snapshotsOf("c").length === 1;
  });
  expect(snapshotsOf("a")).toEqual([]);
  await store.close();
});

test.each(["a", "b", "c"])(
  "folder %s from the past, behind the cut, is brought level and undoes nothing",
  async (past) => {
    let store = await open();
    for (const name of names(0, 5)) await store.make(name);
    await store.close();
    cpSync(join(folder, past), join(folder, "past"), { recursive: true });
    const state = join(folder, "state");
    if (past === "a") cpSync(state, join(folder, "past-state"), { recursive: true });
    store = await open();
    for (const name of names(5, 10)) await store.make(name);
    await store.keeper.snapshot();
    await store.close();
    store = await open();
    await store.keeper.snapshot();
    await store.make("bucket-0010");
    await store.close();
    rmSync(join(folder, past), { recursive: true });
    cpSync(join(folder, "past"), join(folder, past), { recursive: true });
    if (past === "a") {
      rmSync(state, { recursive: true });
      cpSync(join(folder, "past-state"), state, { recursive: true });
    }
    store = await open();
    expect(await store.names()).toEqual(names(0, 11));
    await level(store.keeper);
    await store.make("bucket-0011");
    await store.close();
    // Whichever goes next, the one that was behind holds its share.
    const gone = past === "b" ? "c" : "b";
    rmSync(join(folder, gone), { recursive: true });
    mkdirSync(join(folder, gone));
    store = await open();
    expect(await store.names()).toEqual(names(0, 12));
    await store.close();
  },
);

test("a folder that goes while the store runs is noticed, made anew and counts again", async () => {
  const store = await open();
  await store.make("bucket-0000");
  rmSync(join(folder, "b", "journal"), { recursive: true });
  await until(() => store.keeper.health().some(({ ok }) => !ok) || logsOf("b").length > 0);
  await store.make("bucket-0001");
  await level(store.keeper);
  rmSync(join(folder, "c", "journal"), { recursive: true });
  await until(() => existsSync(join(folder, "c", "journal", "claim.json")));
  await level(store.keeper);
  await store.make("bucket-0002");
  expect(await store.names()).toEqual(names(0, 3));
  await store.close();
});

test("with one of the three folders left, a start is refused and says what is missing", async () => {
  const store = await open();
  await store.make("bucket-0000");
  await store.close();
  for (const name of ["b", "c"]) rmSync(join(folder, name, "journal"), { recursive: true });
  await expect(open()).rejects.toThrow(JournalUnusable);
  await expect(open()).rejects.toThrow(/1 of its 3 folders; 2 are needed/);
});
