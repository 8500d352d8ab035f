import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { MetadataService } from "../gen/cairn/metadata/v1/metadata_pb";
import { claimDataFolders } from "../services/cli/data-folders";
import { embeddedDatabase, openKeeper } from "../services/cli/embedded-state";
import { newId } from "../services/common/ids/uuid";
import { silentLogger } from "../services/common/log/logger";
import { createMetrics } from "../services/common/metrics/metrics";
import { newCall } from "../services/common/rpc/call";
import { localClient } from "../services/common/rpc/local";
import type { ServiceClient } from "../services/common/rpc/service";
import { systemClock } from "../services/common/time/clock";
import { defaultMetadataConfig } from "../services/metadata/config";
import { openMetadata } from "../services/metadata/open";
import { requestHead } from "./http-connection";
import { once, runLoad } from "./load";
import { median } from "./percentiles";
import { table, verdict } from "./table";
import { startTarget, type Target } from "./target";

/**
 * What a page of a listing costs in a bucket of ten thousand objects and in one of a million. Each is a store of its
 * own, filled through the metadata service by the commands that a PUT commits with, for objects without bytes.
 */
type Store = { readonly folder: string; readonly size: number; readonly bucketId: string };
type Figures = Record<"rpcPlain" | "rpcDelimiter" | "httpPlain" | "httpDelimiter", number>;

const goal = 1.5;
const bucket = "listed";
const pageKeys = 1000;
const commandsAtOnce = 1000;
const rounds = 5;
const pagesARound = 20;
/** Folders of a hundred objects: a page with a delimiter skips over 1,000 of them in the large bucket. */
const keyAt = (index: number) =>
  `folder-${String(Math.floor(index / 100)).padStart(6, "0")}/object-${String(index).padStart(8, "0")}`;

type Metadata = { client: ServiceClient<typeof MetadataService>; close(): Promise<void> };

async function openMetadataOf(folder: string): Promise<Metadata> {
  const metrics = createMetrics({ defaults: false });
  const places = claimDataFolders([folder]);
  const keeper = await openKeeper(places, { log: silentLogger, metrics, say: () => {} });
  const running = await openMetadata({
    database: embeddedDatabase(keeper, "metadata"),
    config: defaultMetadataConfig,
    clock: systemClock,
    log: silentLogger,
    metrics,
  });
  return {
    client: localClient(MetadataService, running.service),
    close: async () => {
      await running.close();
      await keeper.close();
      places.release();
    },
  };
}

function startStore(folder: string, key: string): Promise<Target> {
  return startTarget({
    name: "cairn",
    args: [resolve(__dirname, "..", "cairn.js"), "serve", "--data", folder, "--port", "0"],
    folder: join(folder, ".."),
    env: { ADMIN_API_KEY: key, RATE_LIMIT: "0", LOG_LEVEL: "info", LOG_FORMAT: "json" },
    key,
  });
}

/** A store with `size` objects in one bucket, stopped. */
async function makeStore(parent: string, size: number, key: string): Promise<Store> {
  const folder = join(parent, `store-${size}`);
  const target = await startStore(folder, key);
  const head = requestHead("PUT", `/${bucket}`, { host: target.url.host, key, bodyBytes: 0 });
  await once(target.url, { request: { head }, expected: { status: 200 } }).finally(() => target.stop());
  const metadata = await openMetadataOf(folder);
  try {
    const found = await metadata.client.getBucket({ by: { case: "name", value: bucket } }, newCall());
    const { id = "", configVersion = 0n } = found.bucket ?? {};
    const startedMs = performance.now();
    for (let at = 0; at < size; at += commandsAtOnce) {
      const count = Math.min(commandsAtOnce, size - at);
      const commands = Array.from({ length: count }, (_, offset) => ({
        id: newId(),
        change: {
          case: "putVersion" as const,
          value: {
            bucketId: id,
            configVersion,
            key: keyAt(at + offset),
            content: { etag: "d41d8cd98f00b204e9800998ecf8427e" },
          },
        },
      }));
      const { outcomes } = await metadata.client.execute({ commands }, newCall());
      const refused = outcomes.find(({ result }) => result.case === "refusal");
      if (refused !== undefined) throw new Error(`A command was refused: ${JSON.stringify(refused.result)}`);
      if ((at / commandsAtOnce) % 100 === 99) progress(at + count, size, startedMs);
    }
    return { folder, size, bucketId: id };
  } finally {
    await metadata.close();
  }
}

function progress(done: number, size: number, startedMs: number): void {
  const perSecond = done / ((performance.now() - startedMs) / 1000);
  const left = ((size - done) / perSecond).toFixed(0);
  process.stderr.write(`filled ${done} of ${size}, ${perSecond.toFixed(0)}/s, ${left} s left\n`);
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
      const head = requestHead("GET", `/${bucket}?${query}`, { host: target.url.host, key: target.key });
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

async function measure(stores: readonly Store[], key: string): Promise<Map<number, Figures[]>> {
  const figures = new Map<number, Figures[]>(stores.map(({ size }) => [size, []]));
  const opened = [];
  try {
    // Side by side and by turns, so that what else the machine does meets both. The service in this process reads
    // the same file beside the store's own: readers do not block each other in WAL mode.
    for (const store of stores) {
      const target = await startStore(store.folder, key);
      opened.push({ store, target, metadata: await openMetadataOf(store.folder) });
    }
    for (let round = 0; round <= rounds; round += 1) {
      for (const { store, target, metadata } of opened) {
        const one: Figures = {
          rpcPlain: await rpcMs(metadata.client, store, ""),
          rpcDelimiter: await rpcMs(metadata.client, store, "/"),
          httpPlain: await httpMs(target, store, ""),
          httpDelimiter: await httpMs(target, store, "/"),
        };
        // The first round warms up.
        if (round > 0) figures.get(store.size)?.push(one);
      }
    }
    return figures;
  } finally {
    for (const { target, metadata } of opened) {
      await metadata.close();
      await target.stop();
    }
  }
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
  const parent = mkdtempSync(join(resolve(flags.folder ?? tmpdir()), "cairn-bench-"));
  try {
    const key = `s3_key_${randomBytes(32).toString("hex")}`;
    const stores: Store[] = [];
    for (const size of sizes) stores.push(await makeStore(parent, size, key));
    const figures = await measure(stores, key);
    const [small = [], large = []] = sizes.map((size) => figures.get(size));
    const rows = (
      [
        ["page of 1,000 keys, metadata service", "rpcPlain"],
        ["page of 50 folders, metadata service", "rpcDelimiter"],
        ["page of 1,000 keys, HTTP", "httpPlain"],
        ["page of 50 folders, HTTP", "httpDelimiter"],
      ] as const
    ).map(([title, field]) => {
      const [few, many] = [small, large].map((all) => median(all.map((one) => one[field])));
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
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
});
