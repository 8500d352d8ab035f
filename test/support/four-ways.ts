import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type OptionName, readSettings, type Settings } from "../../services/common/config/options";
import { Closing } from "../../services/common/lifecycle/closing";
import { listen } from "../../services/common/lifecycle/ops-server";
import { silentLogger } from "../../services/common/log/logger";
import { createMetrics } from "../../services/common/metrics/metrics";
import type { DatabaseConfig } from "../../services/common/sql/database";
import { createTestDatabase } from "../../services/common/sql/test-databases";
import { openEmbedded, openRole, type Role, type RolePlaces, type RunningRole } from "../../services/compose";

/** Every way of running the same store; one behaviour suite holds for all four. */
export const fourWays = [
  { engine: "sqlite", carrier: "in process" },
  { engine: "postgres", carrier: "in process" },
  { engine: "sqlite", carrier: "gRPC" },
  { engine: "postgres", carrier: "gRPC" },
] as const;
export type Way = (typeof fourWays)[number];

export type TestStore = { readonly url: string; readonly adminKey: string; close(): Promise<void> };

const adminKey = "s3_key_820926f3bdd846681afc283f868900f8dc3f520d648897c7157e4dac481b31ea";
const masterKey = Buffer.alloc(32, 7);
const clusterSecret = "0123456789abcdef0123456789abcdef-of-a-test-1";

/** A whole store in this process, with an HTTP edge on a free port; over gRPC on loopback where the way says so. */
export async function openTestStore(
  way: Way,
  flags: Partial<Record<OptionName, string>> = {},
): Promise<TestStore> {
  const opened = new Closing();
  const folder = await mkdtemp(join(tmpdir(), "cairn-store-"));
  opened.add({ close: () => rm(folder, { recursive: true, force: true }) });
  try {
    const databases = new Map<string, DatabaseConfig>();
    for (const schema of ["identity", "bucket", "metadata"]) {
      const database = await createTestDatabase(way.engine, schema);
      opened.add({ close: () => database.drop() });
      databases.set(schema, database.config);
    }
    const parts: Parts = {
      nodes: [1, 2, 3].map((number) => join(folder, `node-${number}`)),
      database: (schema) => databases.get(schema) as DatabaseConfig,
      flags: { adminApiKey: adminKey, rateLimit: "0", reserve: "64MiB", logLevel: "silent", ...flags },
    };
    const server =
      way.carrier === "gRPC" ? await openOverGrpc(parts, opened) : await openInProcess(parts, opened);
    await listen(server, "127.0.0.1", 0);
    const { port } = server.address() as { port: number };
    return { url: `http://127.0.0.1:${port}`, adminKey, close: () => opened.close() };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

type Parts = {
  readonly nodes: readonly string[];
  readonly database: RolePlaces["database"];
  readonly flags: Partial<Record<OptionName, string>>;
};

function hostOf(settings: Settings) {
  return { settings, log: silentLogger, metrics: createMetrics({ defaults: false }) };
}

async function openInProcess({ nodes, database, flags }: Parts, opened: Closing) {
  const store = await openEmbedded(hostOf(readSettings(flags, {})), { nodes, database }, masterKey, () => {});
  opened.add(store);
  return store.gateway.server;
}

async function openOverGrpc({ nodes, database, flags }: Parts, opened: Closing) {
  const addresses: Partial<Record<OptionName, string>> = {};
  const open = async (role: Role, folders: readonly string[] = []): Promise<RunningRole> => {
    const settings = readSettings({ ...flags, ...addresses }, {});
    const places = { database, storageFolders: () => folders, masterKey: () => masterKey, clusterSecret };
    const running = await openRole(role, hostOf(settings), places, () => {});
    opened.add({
      close: async () => {
        await running.drain();
        await running.close();
      },
    });
    return running;
  };
  const serve = async (role: Role, folders: readonly string[] = []): Promise<string> => {
    const running = await open(role, folders);
    if (!("grpc" in running)) throw new Error(`${role} is not served over gRPC`);
    return `127.0.0.1:${await running.grpc.listen("127.0.0.1", 0)}`;
  };
  addresses.storageUrls = (await Promise.all(nodes.map((folder) => serve("storage", [folder])))).join(",");
  addresses.metadataUrl = await serve("metadata");
  addresses.identityUrl = await serve("identity");
  addresses.bucketUrl = await serve("bucket");
  addresses.objectUrl = await serve("object");
  const gateway = await open("gateway");
  if (!("gateway" in gateway)) throw new Error("the gateway role has no gateway");
  return gateway.gateway.server;
}
