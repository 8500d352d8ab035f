import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../services/cli/free-port";
import { type CairnProcess, startCairn } from "./support/cairn-process";
import { type SplitStore, splitAdminKey, startSplitStore } from "./support/split-store";
import { until } from "./support/until";

const limit = 20;
const requestsAtMost = 400;

let folder: string;
let store: SplitStore;
let second: CairnProcess;
let gateways: string[];
let identityOps: string;
let plainKey: string;

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cairn-shared-limit-"));
  store = await startSplitStore({ folder, databaseUrl: undefined, env: { RATE_LIMIT: String(limit) } });
  const port = await freePort();
  const at = (service: "identity" | "bucket" | "object") => `127.0.0.1:${store.ports[service]}`;
  second = startCairn(["service", "gateway"], {
    CAIRN_DATA: folder,
    CLUSTER_SECRET: store.clusterSecret,
    PORT: String(port),
    OPS_PORT: "0",
    RATE_LIMIT: String(limit),
    IDENTITY_URL: at("identity"),
    BUCKET_URL: at("bucket"),
    OBJECT_URL: at("object"),
  });
  await second.line(/service listens/);
  const [, opsPort] = await store
    .process("identity")
    .line(/"opsPort":(\d+),"msg":"identity service listens"/);
  identityOps = `http://127.0.0.1:${opsPort}`;
  gateways = [store.url, `http://127.0.0.1:${port}`];
  // The first admin's key has no limit: with it the test prepares, and looks what a refused request did.
  await until(async () => (await admin("PUT", "/limited")).status === 200, 30_000);
  const { userId } = await (await admin("GET", "/_/api/v1/whoami")).json();
  const made = await admin("POST", `/_/api/v1/users/${userId}/keys`, JSON.stringify({ name: "plain" }));
  expect(made.status).toBe(201);
  plainKey = (await made.json()).text;
}, 90_000);

afterAll(async () => {
  await second?.stop();
  await store?.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

// biome-ignore lint/suspicious/noExplicitAny: answers of several shapes
type Asked = Omit<Response, "json"> & { json(): Promise<any> };

function admin(method: string, path: string, body?: string): Promise<Asked> {
  const init = { method, headers: bearer(splitAdminKey), ...(body === undefined ? {} : { body }) };
  return fetch(`${store.url}${path}`, init);
}

/** A minute's window that has enough left: the test must not straddle two. */
async function wholeWindow(): Promise<void> {
  await until(() => Date.now() % 60_000 < 35_000, 30_000);
}

/** Asks both gateways by turns, one request after the other, until each has refused one. */
async function askUntilBothRefuse(send: (gateway: string) => Promise<Response>) {
  const admitted = [0, 0];
  const refused: (Response | undefined)[] = [undefined, undefined];
  for (let i = 0; i < requestsAtMost && refused.includes(undefined); i++) {
    const turn = i % 2;
    const answer = await send(gateways[turn] ?? "");
    await answer.arrayBuffer();
    if (answer.status === 429) refused[turn] ??= answer;
    else if (refused[turn] === undefined) admitted[turn] = (admitted[turn] ?? 0) + 1;
    // The gateways tell each other once a second: from here on both know of all that came before.
    if (i === limit - 2) await bothKnow();
  }
  return { admitted: (admitted[0] ?? 0) + (admitted[1] ?? 0), refused };
}

/** How many reports of the gateways the identity service has answered; asking its OPS_PORT counts for no limit. */
async function reports(): Promise<number> {
  const text = await (await fetch(`${identityOps}/metrics`)).text();
  const counts = [...text.matchAll(/^cairn_rpc_duration_seconds_count\{[^}]*ReportRates[^}]*\} (\d+)/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

/**
 * Waits until no report comes any more. Each gateway reports once a second what it counted, and asks once more after
 * that; so when both are quiet, both know all.
 */
async function bothKnow(): Promise<void> {
  let last = { count: 0, sinceMs: performance.now() };
  await until(async () => {
    const count = await reports();
    if (count !== last.count) last = { count, sinceMs: performance.now() };
    return count > 0 && performance.now() - last.sinceMs > 2_500;
  }, 20_000);
}

test("two gateways share one limit, and a PUT that is over it has no effect", async () => {
  await wholeWindow();
  let sent = 0;
  const names: string[] = [];
  const { admitted, refused } = await askUntilBothRefuse(async (gateway) => {
    const name = `object-${sent++}`;
    const answer = await fetch(`${gateway}/limited/${name}`, {
      method: "PUT",
      headers: bearer(plainKey),
      body: name,
    });
    if (answer.status === 200) names.push(name);
    return answer;
  });

  // Alone each would have let 20 through. A second's requests may pass before the sums are known.
  expect(admitted).toBeGreaterThanOrEqual(limit - 1);
  expect(admitted).toBeLessThanOrEqual(limit + 4);
  for (const answer of refused) {
    expect(answer?.status).toBe(429);
    const wait = Number(answer?.headers.get("retry-after"));
    expect(wait).toBeGreaterThanOrEqual(1);
    expect(wait).toBeLessThanOrEqual(60);
    expect(answer?.headers.get("ratelimit-limit")).toBe(String(limit));
    expect(answer?.headers.get("ratelimit-remaining")).toBe("0");
    expect(Number(answer?.headers.get("ratelimit-reset"))).toBe(wait);
  }
  const listed = await (await admin("GET", "/limited")).json();
  expect(listed.objects.map(({ key }: { key: string }) => key).sort()).toEqual(names.sort());
  expect(names).toHaveLength(admitted);

  // Anonymous requests from the same address are of the same count; the admin's key is of none.
  for (const gateway of gateways) expect((await fetch(`${gateway}/limited`)).status).toBe(429);
  expect((await admin("GET", "/limited")).status).toBe(200);
}, 120_000);
