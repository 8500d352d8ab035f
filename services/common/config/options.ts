import { readFileSync } from "node:fs";
import { z } from "zod";
import {
  address,
  addresses,
  bytes,
  databaseUrl,
  durationMs,
  list,
  name,
  port,
  text,
  wholeNumber,
} from "./values";

/** One thing that can be configured: by flag, by environment variable, by default, in this order. */
export type Option = {
  readonly env: string;
  /** Its flag of `cairn serve` and `cairn service`, if it has one. */
  readonly flag?: string;
  /** What stands behind the flag in the help. */
  readonly argument?: string;
  /** As a person would write it; undefined when there is none. */
  readonly default?: string;
  readonly description: string;
  /** Also read from the file that `<env>_FILE` names. Never printed (I9). */
  readonly secret?: boolean;
  readonly schema: z.ZodType<unknown, string>;
};

function option<T extends Option>(value: T): T {
  return value;
}

/**
 * All configuration, in one table: the README's table, `--help` and the parser come from it.
 * A default that depends on the role stands in its description.
 */
export const options = {
  data: option({
    env: "CAIRN_DATA",
    flag: "data",
    argument: "dir",
    default: "./data",
    description:
      "Data folder. One folder gets three sub-folders, one a storage node; or give three or more, ideally each a disk.",
    schema: list,
  }),
  port: option({
    env: "PORT",
    flag: "port",
    argument: "port",
    description: "Port to listen on; 0 picks a free one. Default: 7841, a service its own.",
    schema: port,
  }),
  host: option({
    env: "HOST",
    flag: "host",
    argument: "address",
    default: "127.0.0.1",
    description: "Address to listen on; 0.0.0.0 is every one.",
    schema: text,
  }),
  opsPort: option({
    env: "OPS_PORT",
    flag: "ops-port",
    argument: "port",
    description: "Port of a service's /health/live, /health/ready and /metrics. Default: its port + 1000.",
    schema: port,
  }),
  adminApiKey: option({
    env: "ADMIN_API_KEY",
    description: "The admin's key of the first start; made at random when absent.",
    secret: true,
    schema: text,
  }),
  masterKeyFile: option({
    env: "MASTER_KEY_FILE",
    flag: "master-key-file",
    argument: "file",
    description:
      "32 bytes as 64 hexadecimal digits, guarding all stored secrets. Default: made once in every data folder.",
    schema: text,
  }),
  rateLimit: option({
    env: "RATE_LIMIT",
    flag: "rate-limit",
    argument: "number",
    default: "100",
    description: "Requests a minute and address for callers without a quota of their own; 0 is no limit.",
    schema: wholeNumber(0, 10_000_000),
  }),
  trustedProxies: option({
    env: "TRUSTED_PROXIES",
    flag: "trusted-proxies",
    argument: "number",
    default: "0",
    description: "How many proxies in front append to X-Forwarded-For.",
    schema: wholeNumber(0, 16),
  }),
  region: option({
    env: "REGION",
    flag: "region",
    argument: "name",
    default: "us-east-1",
    description: "The region that clients are told.",
    schema: name,
  }),
  zone: option({
    env: "ZONE",
    flag: "zone",
    argument: "name",
    description: "Where a storage node runs; copies go to different zones while they last.",
    schema: name,
  }),
  reserve: option({
    env: "STORAGE_RESERVE",
    flag: "reserve",
    argument: "size",
    default: "1GiB",
    description: "A volume with less free space takes no writes.",
    schema: bytes,
  }),
  deleteGrace: option({
    env: "DELETE_GRACE",
    flag: "delete-grace",
    argument: "duration",
    default: "15m",
    description: "How long the bytes of a deleted version stay before they are removed.",
    schema: durationMs,
  }),
  orphanGrace: option({
    env: "ORPHAN_GRACE",
    flag: "orphan-grace",
    argument: "duration",
    default: "2h",
    description: "How long a replica may lie unnamed before it is collected.",
    schema: durationMs,
  }),
  nodeLossGrace: option({
    env: "NODE_LOSS_GRACE",
    flag: "node-loss-grace",
    argument: "duration",
    default: "10m",
    description: "A storage node or disk that is away for longer has its blobs copied to others.",
    schema: durationMs,
  }),
  healRate: option({
    env: "HEAL_RATE",
    flag: "heal-rate",
    argument: "size",
    default: "64MiB",
    description:
      "Bytes a second that repair, moves between volumes and scrubs take at most, in each process.",
    schema: bytes,
  }),
  scrubInterval: option({
    env: "SCRUB_INTERVAL",
    flag: "scrub-interval",
    argument: "duration",
    default: "30d",
    description: "Within this every copy is read from its disk and checked.",
    schema: durationMs,
  }),
  minBodyRate: option({
    env: "MIN_BODY_RATE",
    flag: "min-body-rate",
    argument: "size",
    default: "1KiB",
    description: "An upload slower than this many bytes a second is given up after 20 s.",
    schema: bytes,
  }),
  shutdownGrace: option({
    env: "SHUTDOWN_GRACE",
    flag: "shutdown-grace",
    argument: "duration",
    default: "30s",
    description: "How long requests in flight may take to finish after SIGTERM.",
    schema: durationMs,
  }),
  logLevel: option({
    env: "LOG_LEVEL",
    flag: "log-level",
    argument: "level",
    default: "info",
    description: "trace, debug, info, warn, error or silent.",
    schema: z.enum(["trace", "debug", "info", "warn", "error", "silent"]),
  }),
  logFormat: option({
    env: "LOG_FORMAT",
    flag: "log-format",
    argument: "format",
    description: "json or pretty. Default: pretty on a terminal, else json.",
    schema: z.enum(["json", "pretty"]),
  }),
  databaseUrl: option({
    env: "DATABASE_URL",
    description:
      "PostgreSQL of bucket, metadata and (when given) identity. Default of identity: SQLite at DB_PATH.",
    secret: true,
    schema: databaseUrl,
  }),
  databasePassword: option({
    env: "DATABASE_PASSWORD",
    description: "Put into DATABASE_URL when that has none.",
    secret: true,
    schema: text,
  }),
  dbPath: option({
    env: "DB_PATH",
    description: "SQLite file of a service. Default: /data/identity.db, /data/bucket.db, /data/metadata.db.",
    schema: text,
  }),
  storageRoot: option({
    env: "STORAGE_ROOT",
    description: "Folders of a storage node, separated by commas, each a disk. Default: /data/storage.",
    schema: list,
  }),
  clusterSecret: option({
    env: "CLUSTER_SECRET",
    description:
      "32 bytes or more that every process of a split store shares. Default: made once in the data folder.",
    secret: true,
    schema: text,
  }),
  identityUrl: option({
    env: "IDENTITY_URL",
    default: "127.0.0.1:7851",
    description: "Address of the identity service.",
    schema: address,
  }),
  bucketUrl: option({
    env: "BUCKET_URL",
    default: "127.0.0.1:7861",
    description: "Address of the bucket service.",
    schema: address,
  }),
  objectUrl: option({
    env: "OBJECT_URL",
    default: "127.0.0.1:7871",
    description: "Address of the object service.",
    schema: address,
  }),
  storageUrls: option({
    env: "STORAGE_URLS",
    default: "127.0.0.1:7881,127.0.0.1:7882,127.0.0.1:7883",
    description: "Addresses of the storage nodes.",
    schema: addresses,
  }),
  metadataUrl: option({
    env: "METADATA_URL",
    default: "127.0.0.1:7891",
    description: "Address of the metadata service.",
    schema: address,
  }),
} as const;

export type OptionName = keyof typeof options;

/** Parsed values; one without default that was not given is undefined. */
export type Settings = {
  readonly [K in OptionName]: (typeof options)[K] extends { default: string }
    ? z.output<(typeof options)[K]["schema"]>
    : z.output<(typeof options)[K]["schema"]> | undefined;
};

/** Something that was configured is wrong: the process says what and exits with 2. */
export class ConfigError extends Error {}

/**
 * Settings from flags (by option name) and environment. Throws ConfigError that names every wrong value, its source
 * and what it must be; the values of secrets are left out.
 */
export function readSettings(
  flags: Readonly<Partial<Record<OptionName, string>>>,
  env: Readonly<Record<string, string | undefined>>,
): Settings {
  const wrong: string[] = [];
  const settings: Record<string, unknown> = {};
  for (const [key, spec] of Object.entries<Option>(options)) {
    try {
      const found = find(key as OptionName, spec, flags, env);
      if (found === undefined) continue;
      const parsed = spec.schema.safeParse(found.value);
      if (parsed.success) settings[key] = parsed.data;
      else
        wrong.push(
          `${found.source}${spec.secret ? "" : ` is "${found.value}", but`} ${parsed.error.issues[0]?.message}`,
        );
    } catch (error) {
      wrong.push((error as Error).message);
    }
  }
  if (wrong.length > 0) throw new ConfigError(wrong.join("\n"));
  return settings as Settings;
}

function find(
  key: OptionName,
  spec: Option,
  flags: Readonly<Partial<Record<OptionName, string>>>,
  env: Readonly<Record<string, string | undefined>>,
): { source: string; value: string } | undefined {
  const flag = flags[key];
  if (flag !== undefined) return { source: `--${spec.flag}`, value: flag };
  const value = env[spec.env];
  if (value !== undefined && value !== "") return { source: spec.env, value };
  const file = spec.secret ? env[`${spec.env}_FILE`] : undefined;
  if (file !== undefined && file !== "")
    return { source: `${spec.env}_FILE`, value: readSecret(spec.env, file) };
  return spec.default === undefined ? undefined : { source: "default", value: spec.default };
}

function readSecret(env: string, file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new Error(
      `${env}_FILE is "${file}", but it cannot be read: ${(error as NodeJS.ErrnoException).code}`,
    );
  }
}
