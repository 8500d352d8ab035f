import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Http } from "../support/http";
import { type OwnPostgres, startOwnPostgres } from "../support/own-postgres";
import { type SplitService, type SplitStore, splitAdminKey, startSplitStore } from "../support/split-store";
import { until } from "../support/until";

/** The split store with a PostgreSQL of this test's own, which goes away and comes back. */

let folder: string;
let postgres: OwnPostgres;
let store: SplitStore | undefined;
let http: Http;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cairn-away-"));
  postgres = await startOwnPostgres();
}, 60_000);
afterAll(async () => {
  http?.close();
  await store?.close();
  await postgres?.destroy();
  await rm(folder, { recursive: true, force: true });
}, 120_000);

const ask = (method: string, path: string, body?: string) =>
  http.ask(method, path, body === undefined ? {} : { body });

/** 503 with Retry-After, soon: a caller is not left hanging. */
async function isAwayAtOnce(method: string, path: string, body?: string): Promise<void> {
  const startedAtMs = performance.now();
  const answer = await ask(method, path, body);
  expect([method, path, answer.status]).toEqual([method, path, 503]);
  expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
  expect(performance.now() - startedAtMs).toBeLessThan(8_000);
}

/** The names of what a service misses, as its own health page has it. */
async function dependenciesAway(service: SplitService): Promise<string[]> {
  const line = (await store?.process(service).line(/"opsPort":(\d+)/))?.[1];
  const answer = await fetch(`http://127.0.0.1:${line}/health/ready`);
  const ready = (await answer.json()) as { dependencies: { name: string; ok: boolean }[] };
  return ready.dependencies.filter(({ ok }) => !ok).map(({ name }) => name);
}

const serves = () => until(async () => (await ask("GET", "/")).status === 200, 60_000);

test("a database that is down at start: every process starts, answers 503, says which, and recovers by itself", async () => {
  await postgres.stop();
  store = await startSplitStore({ folder, databaseUrl: postgres.url, whole: false });
  http = new Http(store.url, splitAdminKey);
  await isAwayAtOnce("GET", "/");
  await isAwayAtOnce("PUT", "/photos");
  const live = await http.ask("GET", "/_/health/live", { key: null });
  expect([live.status, live.json]).toEqual([200, { status: "ok" }]);
  await postgres.start();
  await serves();
  expect((await ask("PUT", "/photos")).status).toBe(200);
  expect((await ask("PUT", "/photos/k", "before")).status).toBe(200);
  expect((await ask("GET", "/photos/k")).text).toBe("before");
}, 120_000);

test("a database that goes away later: 503 at once with Retry-After, nothing half done, and back without a restart", async () => {
  const pids = () =>
    ["metadata", "identity", "bucket", "object", "gateway"].map(
      (name) => store?.process(name as never).child.pid,
    );
  const before = pids();
  await serves();
  await postgres.stop();
  await isAwayAtOnce("PUT", "/photos/k", "after");
  await isAwayAtOnce("PUT", "/photos/new", "after");
  await isAwayAtOnce("GET", "/photos/k");
  await isAwayAtOnce("GET", "/photos");
  await isAwayAtOnce("DELETE", "/photos/k");
  await isAwayAtOnce("PUT", "/more-photos");
  for (const service of ["metadata", "identity", "bucket"] as const) {
    const away = await dependenciesAway(service);
    expect([service, away.length > 0]).toEqual([service, true]);
  }
  // The gateway knows it from its peers, and object from its own.
  const missed = ["identity/postgres", "bucket/postgres", "object/metadata/postgres"];
  await until(async () => {
    const away = await dependenciesAway("gateway");
    return missed.every((name) => away.includes(name));
  });
  expect((await http.ask("GET", "/_/health/live", { key: null })).status).toBe(200);
  await postgres.start();
  await serves();
  expect(pids()).toEqual(before);
  expect((await ask("GET", "/photos/k")).text).toBe("before");
  const keys = (await ask("GET", "/photos")).json.objects.map(({ key }: { key: string }) => key);
  // A write whose answer was 503 is wholly there or wholly absent; these never reached the database.
  expect(keys).toEqual(["k"]);
  expect((await ask("HEAD", "/more-photos")).status).toBe(404);
  await until(async () => (await ask("PUT", "/photos/new", "now")).status === 200, 20_000);
  for (const service of ["metadata", "identity", "bucket", "gateway"] as const)
    await until(async () => (await dependenciesAway(service)).length === 0);
}, 180_000);

test("writes that were under way when it went away are wholly there or wholly absent", async () => {
  await serves();
  await ask("PUT", "/under-way");
  const outcomes = new Map<string, number>();
  let stopping = false;
  const writers = Array.from({ length: 8 }, async (_, writer) => {
    for (let number = 0; !stopping; number++) {
      const key = `${writer}-${number}`;
      outcomes.set(key, 0);
      const status = await ask("PUT", `/under-way/${key}`, `body of ${key}`).then(
        (answer) => answer.status,
        () => 0,
      );
      outcomes.set(key, status);
    }
  });
  await until(() => [...outcomes.values()].filter((status) => status === 200).length > 50, 30_000);
  await postgres.stop();
  await until(() => [...outcomes.values()].some((status) => status === 503), 30_000);
  stopping = true;
  await Promise.all(writers);
  await postgres.start();
  await serves();
  for (const [key, status] of outcomes) {
    const got = await until(async () => {
      const answer = await ask("GET", `/under-way/${key}`);
      return answer.status !== 503 && answer;
    }, 20_000);
    if (status === 200) expect([key, got.status, got.text]).toEqual([key, 200, `body of ${key}`]);
    else if (got.status === 200) expect(got.text).toBe(`body of ${key}`);
    else expect([key, got.status]).toEqual([key, 404]);
  }
  expect((await ask("GET", "/photos/k")).text).toBe("before");
}, 180_000);
