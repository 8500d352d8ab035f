import { join } from "node:path";
import { freePort } from "../../services/cli/free-port";
import { type CairnProcess, startCairn } from "./cairn-process";
import { until } from "./until";

export const splitServices = [
  "storage-1",
  "storage-2",
  "storage-3",
  "metadata",
  "identity",
  "bucket",
  "object",
  "gateway",
] as const;
export type SplitService = (typeof splitServices)[number];

/** The split store: eight real processes over gRPC and PostgreSQL. Each can be killed and started again. */
export type SplitStore = {
  readonly url: string;
  readonly adminKey: string;
  readonly ports: Readonly<Record<SplitService, number>>;
  readonly clusterSecret: string;
  process(service: SplitService): CairnProcess;
  start(service: SplitService): Promise<void>;
  /** Ends every process and waits. */
  close(): Promise<void>;
};

export const splitAdminKey = "s3_key_c330110cfca71e8f870d54f21b7cbca41639ba0c7a6c3177b33211e57f5d0c1f";
const clusterSecret = "7d1f0c52e9ab48836b0d4e7a915cf2387d1f0c52e9ab48836b0d4e7a915cf238";

/** Starts all services on free ports with their files below `folder`; `databaseUrl` undefined gives each a SQLite. */
export async function startSplitStore(options: {
  readonly folder: string;
  readonly databaseUrl: string | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** False when it cannot serve yet, as without its database. */
  readonly whole?: boolean;
  /** Another program than `dist/cairn.js`: a control's. */
  readonly program?: string | undefined;
}): Promise<SplitStore> {
  const ports = Object.fromEntries(
    await Promise.all(splitServices.map(async (service) => [service, await freePort()])),
  ) as Record<SplitService, number>;
  const at = (service: SplitService) => `127.0.0.1:${ports[service]}`;
  const shared = {
    CAIRN_DATA: options.folder,
    CLUSTER_SECRET: clusterSecret,
    ADMIN_API_KEY: splitAdminKey,
    RATE_LIMIT: "0",
    STORAGE_URLS: [at("storage-1"), at("storage-2"), at("storage-3")].join(","),
    METADATA_URL: at("metadata"),
    IDENTITY_URL: at("identity"),
    BUCKET_URL: at("bucket"),
    OBJECT_URL: at("object"),
    OPS_PORT: "0",
    ...(options.databaseUrl === undefined ? {} : { DATABASE_URL: options.databaseUrl }),
    ...options.env,
  };
  const running = new Map<SplitService, CairnProcess>();
  const start = async (service: SplitService) => {
    const role = service.replace(/-\d$/, "");
    const own = {
      PORT: `${ports[service]}`,
      STORAGE_ROOT: join(options.folder, service),
      DB_PATH: join(options.folder, `${role}.db`),
    };
    const started = startCairn(["service", role], { ...shared, ...own }, { ...options });
    running.set(service, started);
    // Eight processes start at once, on two cores.
    await started.line(/service listens/, 60_000);
  };
  try {
    await Promise.all(splitServices.map(start));
    if (options.whole !== false) await until(() => knowsAllNodes(`http://${at("gateway")}`), 60_000);
  } catch (error) {
    // Nobody gets a store to close: what did start must not be left behind, nor keep jest from ending.
    await Promise.all([...running.values()].map((child) => child.stop("SIGKILL")));
    throw error;
  }
  return {
    url: `http://${at("gateway")}`,
    adminKey: splitAdminKey,
    ports,
    clusterSecret,
    start,
    process: (service) => {
      const found = running.get(service);
      if (found === undefined) throw new Error(`${service} was never started`);
      return found;
    },
    close: async () => {
      await Promise.all([...running.values()].map((child) => child.stop()));
    },
  };
}

/** True when the object service has heard all three nodes; before that a write may find too few. */
async function knowsAllNodes(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/_/api/v1/nodes`, {
    headers: { authorization: `Bearer ${splitAdminKey}` },
  });
  const { nodes } = (await answer.json()) as { nodes: { alive: boolean }[] };
  return nodes.filter((node) => node.alive).length === 3;
}
