import { readdir } from "node:fs/promises";
import { until } from "../../support/until";
import { md5Of } from "./bodies";
import { absent } from "./expected";
import type { MixedLoad } from "./mixed-load";
import type { StoreClient } from "./store-client";

export type Observed = {
  /** All that is wrong; empty is what a test expects. */
  readonly wrong: readonly string[];
  readonly objects: ReadonlyMap<string, string>;
  readonly buckets: ReadonlySet<string>;
};

/**
 * Compares the store with all that it acknowledged: listing, heads and contents agree with each other and with one of
 * the values that each key may have, and nothing is there that nobody wrote. Heads and contents of all keys, or of
 * those that were written to since the last settling; the listing of all in any case.
 */
export async function whatIsWrong(
  client: StoreClient,
  load: MixedLoad,
  which: "touched" | "all",
): Promise<Observed> {
  const wrong = [...load.wrong];
  const listed = await client.list(load.bucket, 173);
  const objects = new Map(listed.map(({ key, etag }) => [key, etag]));
  if (objects.size !== listed.length) wrong.push("a key is listed twice");
  const sorted = listed.map(({ key }) => key).sort();
  if (listed.some(({ key }, index) => key !== sorted[index])) wrong.push("the listing is out of order");
  for (const key of objects.keys()) if (!load.objects.has(key)) wrong.push(`${key} is listed, but unknown`);

  const keys = [...load.objects.keys()];
  const lane = async () => {
    for (let key = keys.pop(); key !== undefined; key = keys.pop())
      wrong.push(...(await wrongWith(key, client, load, objects, which)));
  };
  await Promise.all(Array.from({ length: 8 }, lane));

  const buckets = new Set((await client.bucketNames()).filter((name) => name !== load.bucket));
  for (const name of buckets) if (!load.buckets.has(name)) wrong.push(`bucket ${name} is unknown`);
  for (const [name, expected] of load.buckets) {
    const found = buckets.has(name) ? "there" : absent;
    if (!expected.allows(found)) wrong.push(`bucket ${name} is ${found}, expected ${expected.possible}`);
  }
  return { wrong, objects, buckets };
}

async function wrongWith(
  key: string,
  client: StoreClient,
  load: MixedLoad,
  listed: ReadonlyMap<string, string>,
  which: "touched" | "all",
): Promise<string[]> {
  const expected = load.objects.get(key);
  if (expected === undefined) return [];
  const wrong: string[] = [];
  const check = (how: string, found: string) => {
    if (!expected.allows(found)) wrong.push(`${key}: ${how} says ${found}, expected ${expected.possible}`);
  };
  check("the listing", listed.get(key) ?? absent);
  if (which === "touched" && !load.touched.has(key)) return wrong;
  const head = await client.expect([200, 404], "HEAD", `/${load.bucket}/${key}`);
  check("its head", head.status === 404 ? absent : String(head.headers.etag).replaceAll('"', ""));
  const { status, body } = await client.expect([200, 404], "GET", `/${load.bucket}/${key}`);
  check("its content", status === 404 ? absent : md5Of(body));
  return wrong;
}

/** How many replicas each volume is named for, as the metadata's own tables say. */
export type NamedReplicas = () => Promise<ReadonlyMap<string, number>>;

/** Longer than the minute that the lease of a reader that was killed keeps its blobs. */
const leftOverMs = 90_000;

/**
 * Waits until the queues have run, and every volume holds exactly the replicas that metadata names: no orphan, no
 * copy short. Fails with what differs.
 */
export async function nothingIsLeftOver(
  client: StoreClient,
  named: NamedReplicas,
  timeoutMs = leftOverMs,
): Promise<void> {
  let difference = "nothing was compared";
  const isClean = async () => {
    const [queues, nodes, rows] = await Promise.all([client.queues(), client.nodes(), named()]);
    const lying = new Map(nodes.flatMap((node) => node.volumes).map((volume) => [volume.id, volume.blobs]));
    const differing = [...new Set([...lying.keys(), ...rows.keys()])].filter(
      (id) => (lying.get(id) ?? 0) !== (rows.get(id) ?? 0),
    );
    difference = JSON.stringify({
      queues,
      volumes: differing.map((id) => ({ id, lying: lying.get(id), named: rows.get(id) })),
    });
    return differing.length === 0 && queues.repairs + queues.deletes + queues.purges === 0;
  };
  await until(isClean, timeoutMs).catch((error: unknown) => {
    throw new Error(`left over: ${difference}`, { cause: error });
  });
}

/** Removes all objects and buckets; then not one replica may be left on any node. */
export async function removeAll(client: StoreClient, timeoutMs = leftOverMs): Promise<void> {
  for (const bucket of await client.bucketNames()) {
    const keys = (await client.list(bucket, 1_000)).map(({ key }) => ({ key }));
    for (let at = 0; at < keys.length; at += 1_000) {
      const body = Buffer.from(JSON.stringify({ objects: keys.slice(at, at + 1_000), quiet: true }));
      const headers = { "content-type": "application/json" };
      await client.expect([200], "POST", `/${bucket}?delete`, { body, headers });
    }
    await client.expect([204], "DELETE", `/${bucket}`);
  }
  await nothingIsLeftOver(client, async () => new Map(), timeoutMs);
}

/** Files below a folder that a broken write could have left. */
export async function temporaryFiles(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).filter((name) => /\.(tmp|part)$/.test(name));
}
