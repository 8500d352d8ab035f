import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { readSettings } from "../../../services/common/config/options";
import { listen } from "../../../services/common/lifecycle/ops-server";
import { silentLogger } from "../../../services/common/log/logger";
import { createMetrics } from "../../../services/common/metrics/metrics";
import { openEmbedded } from "../../../services/compose";

/**
 * The control's planted bug: the embedded store whose metadata is committed without a sync. Arguments: the data
 * folder of an embedded store, its admin key.
 */
async function serveUnsafely(data: string, adminApiKey: string): Promise<void> {
  const nodes = [1, 2, 3].map((node) => join(data, `node-${node}`));
  const state = join(data, "state");
  for (const folder of [state, ...nodes]) mkdirSync(folder, { recursive: true });
  const settings = readSettings({ adminApiKey, rateLimit: "0", logLevel: "silent" }, {});
  const store = await openEmbedded(
    { settings, log: silentLogger, metrics: createMetrics({ defaults: false }) },
    {
      nodes,
      database: (schema) => {
        const path = join(state, `${schema}.db`);
        return schema === "metadata"
          ? { kind: "sqlite", path, synchronous: "OFF" }
          : { kind: "sqlite", path };
      },
    },
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
