import type { Settings } from "../common/config/options";
import { listen, startOpsServer } from "../common/lifecycle/ops-server";
import { createMetrics } from "../common/metrics/metrics";
import { openRole, type Role } from "../compose";
import { databaseOf, storageFoldersOf } from "./database-config";
import { clusterSecretOf } from "./key-files";
import { makeFolder } from "./make-folder";
import { masterKeyOf } from "./master-key";
import { processLog } from "./process-log";
import { stopSignal } from "./stop-signals";

/** The ports of the deployment guide (D§3). */
export const rolePorts: Readonly<Record<Role, number>> = {
  gateway: 7841,
  identity: 7851,
  bucket: 7861,
  object: 7871,
  storage: 7881,
  metadata: 7891,
};

/** `cairn service ROLE`: one of the six services in a process of its own, until a signal. */
export async function runService(role: Role, settings: Settings): Promise<void> {
  const stopped = stopSignal();
  const log = processLog(settings).child({ role });
  const metrics = createMetrics({ defaults: true });
  const say = (line: string) => log.info(line);
  const [folder = "./data"] = settings.data;
  makeFolder(folder, "Give another one with --data, or make it writable.");

  const running = await openRole(
    role,
    { settings, log, metrics },
    {
      database: (schema) => databaseOf(schema, settings, say),
      storageFolders: () => storageFoldersOf(settings, say),
      masterKey: () => masterKeyOf(settings.masterKeyFile, [folder]),
      clusterSecret: clusterSecretOf(settings.clusterSecret, folder),
    },
    // The one secret that is ever printed, once (I9); a line of its own, so that `grep "Admin API Key"` finds it.
    ({ adminKey }) => process.stdout.write(`Admin API Key: ${adminKey}\n`),
  );
  let draining = false;
  try {
    const port = settings.port ?? rolePorts[role];
    const bound =
      "grpc" in running
        ? await running.grpc.listen(settings.host, port)
        : await listenGateway(running.gateway.server, settings.host, port);
    const ops = await startOpsServer({
      host: settings.host,
      port: settings.opsPort ?? (port === 0 ? 0 : bound + 1000),
      metrics: () => metrics.metrics(),
      contentType: metrics.contentType,
      ready: () => !draining,
      dependencies: () => running.health(),
    });
    try {
      log.info({ host: settings.host, port: bound, opsPort: ops.port }, `${role} service listens`);
      const signal = await stopped;
      draining = true;
      log.info({ signal }, "stopping: finishing what is in flight");
      await running.drain();
    } finally {
      await ops.close();
    }
  } finally {
    await running.close();
  }
  log.info("stopped");
}

async function listenGateway(
  server: import("node:http").Server,
  host: string,
  port: number,
): Promise<number> {
  await listen(server, host, port);
  const address = server.address();
  return address !== null && typeof address === "object" ? address.port : port;
}
