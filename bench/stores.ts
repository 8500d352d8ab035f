import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { bearer, unsigned } from "./dialect";
import { startTarget, type Target } from "./target";

/** The bundle that is measured; the harness is bundled into a folder beside it. */
export const storeBundle = resolve(__dirname, "..", "cairn.js");

export function newAdminKey(): string {
  return `s3_key_${randomBytes(32).toString("hex")}`;
}

export type StoreOptions = {
  /** Where its log goes, and its data unless `data` says otherwise. */
  readonly folder: string;
  readonly key: string;
  readonly data?: string;
  readonly logLevel?: string;
  readonly nodeArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly startTimeoutMs?: number;
};

/** The store that embeds all services, as `npm start` runs it: with its log, without a rate limit. */
export function startEmbedded(options: StoreOptions): Promise<Target> {
  const { folder, key, data = join(folder, "embedded"), nodeArgs = [], startTimeoutMs } = options;
  return startTarget({
    ...(startTimeoutMs === undefined ? {} : { startTimeoutMs }),
    name: "cairn",
    args: [...nodeArgs, storeBundle, "serve", "--data", data, "--port", "0"],
    folder,
    env: environment(options),
    dialect: bearer(key),
    readyPath: "/_/health/ready",
  });
}

/** The services as processes of their own; needs the ports 7841 to 7891. */
export function startSplit(options: StoreOptions): Promise<Target> {
  const { folder, key, data = join(folder, "split") } = options;
  mkdirSync(data, { recursive: true });
  // As root, PostgreSQL runs as a user of its own, who must get through; the stores' own folders stay closed.
  for (const each of [folder, data]) chmodSync(each, 0o711);
  return startTarget({
    name: "split",
    args: [storeBundle, "split", "--data", data],
    folder,
    env: environment(options),
    dialect: bearer(key),
    readyPath: "/_/health/ready",
  });
}

export function startFloor(folder: string): Promise<Target> {
  return startTarget({
    name: "floor",
    args: [resolve(__dirname, "floor.js"), folder],
    folder,
    // As many threads for the disk as the store gives itself.
    env: { UV_THREADPOOL_SIZE: "20" },
    dialect: unsigned,
  });
}

function environment({ key, logLevel = "info", env = {} }: StoreOptions): Record<string, string> {
  return { ADMIN_API_KEY: key, RATE_LIMIT: "0", LOG_LEVEL: logLevel, LOG_FORMAT: "json", ...env };
}
