import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTestDatabase } from "../../../services/common/sql/test-databases";
import { type SplitService, type SplitStore, startSplitStore } from "../../support/split-store";
import { until } from "../../support/until";
import { StoreClient } from "./store-client";

/** Short, so that the queues run within a test. */
export const shortGraces = { DELETE_GRACE: "500ms", ORPHAN_GRACE: "2s", NODE_LOSS_GRACE: "4s" };

/** A split store on a PostgreSQL database of its own, with a client and a bucket. */
export type Split = {
  readonly store: SplitStore;
  readonly client: StoreClient;
  readonly bucket: string;
  readonly folder: string;
  readonly databaseUrl: string;
  restart(service: SplitService): Promise<void>;
  close(): Promise<void>;
};

/** `databaseUrl` undefined: a database of its own on the run's PostgreSQL. */
export async function openSplit(
  env: Readonly<Record<string, string>> = shortGraces,
  databaseUrl?: string,
  program?: string,
): Promise<Split> {
  const folder = await mkdtemp(join(tmpdir(), "cairn-split-"));
  const database = databaseUrl === undefined ? await createTestDatabase("postgres", "metadata") : undefined;
  if (database !== undefined && database.config.kind !== "postgres") throw new Error("no PostgreSQL");
  const url = databaseUrl ?? (database?.config.kind === "postgres" ? database.config.url : "");
  const store = await startSplitStore({ folder, databaseUrl: url, env, program });
  const client = new StoreClient(store.url, store.adminKey);
  const close = async () => {
    client.close();
    await store.close();
    await database?.drop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const bucket = "faults";
    await until(async () => (await client.try("PUT", `/${bucket}`)).kind === "done", 20_000);
    await until(async () => (await client.nodes()).every((node) => node.alive), 20_000);
    return {
      store,
      client,
      bucket,
      folder,
      databaseUrl: url,
      close,
      restart: async (service) => {
        await store.process(service).stop("SIGTERM");
        await store.start(service);
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
