import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { embeddedDatabase, openKeeper } from "../../../services/cli/embedded-state";
import { readSettings } from "../../../services/common/config/options";
import { listen } from "../../../services/common/lifecycle/ops-server";
import { silentLogger } from "../../../services/common/log/logger";
import { createMetrics, type Metrics } from "../../../services/common/metrics/metrics";
import type { DatabaseConfig } from "../../../services/common/sql/database";
import { openEmbedded } from "../../../services/compose";

/**
 * How names and keys are kept: by a journal that is not synced, the first planted bug; by SQLite alone as a part of the
 * split store is (`split identity at DB_PATH`), with synchronous=OFF, the second one, or as it should be.
 */
export type Keeping = "journal-unsynced" | "sqlite-off" | "sqlite-full";

/** An embedded store for the controls of power cuts. Arguments: its data folder, its admin key, how it keeps names. */
async function serveUnsafely(data: string, adminApiKey: string, keeping: Keeping): Promise<void> {
  const nodes = [1, 2, 3].map((node) => join(data, `node-${node}`));
  const state = join(data, "state");
  for (const folder of [state, ...nodes]) mkdirSync(folder, { recursive: true });
  const settings = readSettings({ adminApiKey, rateLimit: "0", logLevel: "silent" }, {});
  const metrics = createMetrics({ defaults: false });
  const database = await databases(data, state, keeping, metrics);
  const store = await openEmbedded(
    { settings, log: silentLogger, metrics },
    { nodes, database },
    Buffer.alloc(32, 9),
    () => {},
  );
  const { server } = store.gateway;
  await listen(server, "127.0.0.1", 0);
  const { port } = server.address() as { port: number };
  process.stdout.write(`  Address        http://127.0.0.1:${port}\n`);
}

type Databases = (schema: "identity" | "bucket" | "metadata") => DatabaseConfig;

async function databases(
  data: string,
  state: string,
  keeping: Keeping,
  metrics: Metrics,
): Promise<Databases> {
  if (keeping === "journal-unsynced") {
    const journals = [1, 2, 3].map((n) => join(data, `journal-${n}`));
    const folders = { states: [{ folder: state, beside: journals[0] ?? "" }], journals };
    const keeper = await openKeeper(folders, { log: silentLogger, metrics, say: () => {}, bug: "no-sync" });
    return (schema) => embeddedDatabase(keeper, schema);
  }
  const synchronous = keeping === "sqlite-off" ? "OFF" : "FULL";
  return (schema) => ({ kind: "sqlite", path: join(state, `${schema}.db`), synchronous });
}

const [data = "", adminKey = "", keeping = ""] = process.argv.slice(2);
serveUnsafely(data, adminKey, keeping as Keeping).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
});
