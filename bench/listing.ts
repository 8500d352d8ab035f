import { join } from "node:path";
import { parseArgs } from "node:util";
import type { MetadataService } from "../gen/cairn/metadata/v1/metadata_pb";
import { newCall } from "../services/common/rpc/call";
import type { ServiceClient } from "../services/common/rpc/service";
import { bucketOf, fillByCommands, type OpenMetadata, openMetadataOf } from "./fill-by-commands";
import { once, runLoad } from "./load";
import { median } from "./percentiles";
import { newAdminKey, startEmbedded } from "./stores";
import { table, verdict } from "./table";
import { headFor, type Target } from "./target";
import { inWorkplace, runTool, type Workplace } from "./workplace";

/**
 * What a page of a listing costs in a bucket of ten thousand objects and in one of a million. Each is a store of its
 * own, filled through the metadata service by the commands that a PUT commits with, for objects without bytes.
 */
type Store = { readonly folder: string; readonly size: number; readonly bucketId: string };
type Figures = Record<"rpcPlain" | "rpcDelimiter" | "httpPlain" | "httpDelimiter", number>;

const goal = 1.5;
const bucket = "listed";
const pageKeys = 1000;
const rounds = 5;
const pagesARound = 20;
/** Folders of a hundred objects: a page with a delimiter skips over 1,000 of them in the large bucket. */
const keyAt = (index: number) =>
  `folder-${String(Math.floor(index / 100)).padStart(6, "0")}/object-${String(index).padStart(8, "0")}`;

function startStore(folder: string, key: string): Promise<Target> {
  return startEmbedded({ folder: join(folder, ".."), data: folder, key });
}

/** A store with `size` objects in one bucket, stopped. */
async function makeStore(parent: string, size: number, key: string): Promise<Store> {
  const folder = join(parent, `store-${size}`);
  const target = await startStore(folder, key);
  const head = headFor(target, "PUT", `/${bucket}`, { bodyBytes: 0 });
  await once(target.url, { request: { head }, expected: { status: 200 } }).finally(() => target.stop());
  const metadata = await openMetadataOf(folder);
  try {
    const found = await bucketOf(metadata, bucket);
    await fillByCommands({ metadata, ...found, count: size, keyAt });
    return { folder, size, bucketId: found.bucketId };
  } finally {
    await metadata.close();
  }
}

/** The median time of a page that begins somewhere in the middle, through the metadata service in this process. */
async function rpcMs(
  client: ServiceClient<typeof MetadataService>,
  store: Store,
  delimiter: string,
): Promise<number> {
  const times: number[] = [];
  for (let page = 0; page < pagesARound; page += 1) {
    const startedMs = performance.now();
    const answer = await client.listVersions(
      {
        bucketId: store.bucketId,
        delimiter,
        after: afterOf(store, page, delimiter),
        limit: limitOf(delimiter),
      },
      newCall(),
    );
    times.push(performance.now() - startedMs);
    const got = answer.versions.length + answer.commonPrefixes.length;
    if (got !== limitOf(delimiter)) throw new Error(`A page held ${got} entries.`);
  }
  return median(times);
}

/** The same over HTTP, one request at a time. */
async function httpMs(target: Target, store: Store, delimiter: string): Promise<number> {
  const result = await runLoad({
    url: target.url,
    concurrency: 1,
    warmUpMs: 0,
    durationMs: 60_000,
    maxOperations: pagesARound,
    step: (_, page) => {
      const query = new URLSearchParams({
        "list-type": "2",
        "max-keys": String(limitOf(delimiter)),
        delimiter,
        "start-after": afterOf(store, page, delimiter),
      });
      const head = headFor(target, "GET", `/${bucket}?${query}`);
      return { request: { head }, expected: { status: 200, text: `"keyCount":${limitOf(delimiter)}` } };
    },
  });
  if (result.errors > 0) throw new Error(result.firstError);
  return result.p50Ms;
}

/** The small bucket has a hundred folders in all. */
function limitOf(delimiter: string): number {
  return delimiter === "" ? pageKeys : 50;
}

/** Pages spread over the first 80 % (with a delimiter, half) of the bucket, so that each is a full one. */
function afterOf(store: Store, page: number, delimiter: string): string {
  const share = (delimiter === "" ? 0.8 : 0.45) * (page / pagesARound);
  return keyAt(Math.floor(store.size * share));
}

/** Side by side and by turns, so that what else the machine does meets both; the first round warms up. */
async function byTurns(
  stores: readonly Store[],
  round: (store: Store) => Promise<Partial<Figures>>,
): Promise<Map<number, Partial<Figures>[]>> {
  const figures = new Map<number, Partial<Figures>[]>(stores.map(({ size }) => [size, []]));
  for (let number = 0; number <= rounds; number += 1) {
    for (const store of stores) {
      const one = await round(store);
      if (number > 0) figures.get(store.size)?.push(one);
    }
  }
  return figures;
}

/** First through the metadata service in this process, then over HTTP: a store's folders belong to one process. */
async function measure(
  place: Workplace,
  stores: readonly Store[],
  key: string,
): Promise<Map<number, Partial<Figures>[]>> {
  const services = new Map<Store, OpenMetadata>();
  try {
    for (const store of stores) services.set(store, await openMetadataOf(store.folder));
    const throughService = await byTurns(stores, async (store) => {
      const client = found(services.get(store)).client;
      return { rpcPlain: await rpcMs(client, store, ""), rpcDelimiter: await rpcMs(client, store, "/") };
    });
    for (const metadata of services.values()) await metadata.close();
    services.clear();
    const targets = new Map<Store, Target>();
    for (const store of stores) targets.set(store, place.keep(await startStore(store.folder, key)));
    const overHttp = await byTurns(stores, async (store) => {
      const target = found(targets.get(store));
      return { httpPlain: await httpMs(target, store, ""), httpDelimiter: await httpMs(target, store, "/") };
    });
    return new Map(
      stores.map(({ size }) => [size, [...(throughService.get(size) ?? []), ...(overHttp.get(size) ?? [])]]),
    );
  } finally {
    for (const metadata of services.values()) await metadata.close();
  }
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("a store was not opened");
  return value;
}

async function main(): Promise<void> {
  const { values: flags } = parseArgs({
    options: {
      small: { type: "string", default: "10000" },
      large: { type: "string", default: "1000000" },
      folder: { type: "string" },
    },
  });
  const sizes = [Number(flags.small), Number(flags.large)] as const;
  await inWorkplace(flags.folder, async (place) => {
    const parent = place.folder;
    const key = newAdminKey();
    const stores: Store[] = [];
    for (const size of sizes) stores.push(await makeStore(parent, size, key));
    const figures = await measure(place, stores, key);
    const [small = [], large = []] = sizes.map((size) => figures.get(size));
    const rows = (
      [
        ["page of 1,000 keys, metadata service", "rpcPlain"],
        ["page of 50 folders, metadata service", "rpcDelimiter"],
        ["page of 1,000 keys, HTTP", "httpPlain"],
        ["page of 50 folders, HTTP", "httpDelimiter"],
      ] as const
    ).map(([title, field]) => {
      const [few, many] = [small, large].map((all) => median(all.flatMap((one) => one[field] ?? [])));
      const ratio = (many ?? Number.NaN) / (few ?? Number.NaN);
      return [
        title,
        `${few?.toFixed(2)} ms`,
        `${many?.toFixed(2)} ms`,
        ratio.toFixed(2),
        `≤ ${goal}`,
        verdict(ratio <= goal),
      ];
    });
    const heading = ["listing", ...sizes.map((size) => `${size} objects`), "ratio", "goal", ""];
    process.stdout.write(`\nMedian of ${rounds} rounds.\n\n${table(heading, rows)}\n`);
  });
}

runTool("bench", main);
