import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { embeddedDatabase, openKeeper } from "../../../services/cli/embedded-state";
import { readSettings } from "../../../services/common/config/options";
import { listen } from "../../../services/common/lifecycle/ops-server";
import { silentLogger } from "../../../services/common/log/logger";
import { createMetrics } from "../../../services/common/metrics/metrics";
import { openEmbedded } from "../../../services/compose";

/**
 * The control's planted bug: the embedded store whose journal is not synced. Arguments: the data
 * folder of an embedded store, its admin key.
 */
async function serveUnsafely(data: string, adminApiKey: string): Promise<void> {
  const nodes = [1, 2, 3].map((node) => join(data, `node-${node}`));
  const state = join(data, "state");
  for (const folder of [state, ...nodes]) mkdirSync(folder, { recursive: true });
  const settings = readSettings({ adminApiKey, rateLimit: "0", logLevel: "silent" }, {});
  const metrics = createMetrics({ defaults: false });
  const journals = [1, 2, 3].map((n) => join(data, `journal-${n}`));
  const folders = { states: [{ folder: state, beside: journals[0] ?? "" }], journals };
  const keeper = await openKeeper(folders, { log: silentLogger, metrics, say: () => {}, bug: "no-sync" });
  const store = await openEmbedded(
    { settings, log: silentLogger, metrics },
    { nodes, database: (schema) => embeddedDatabase(keeper, schema) },
    Buffer.alloc(32, 9),
    () => {},
  );
  const { server } = store.gateway;
  await listen(server, "127.0.0.1", 0);
  const { port } = server.address() as { port: number };
  process.stdout.write(`  Address        http://127.0.0.1:${port}\n`);
}

const [data = "", adminKey = ""] = process.argv.slice(2);
serveUnsafely(data, adminKey).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
});
