import { version } from "../../package.json";
import type { Settings } from "../common/config/options";
import type { JournalKeeper } from "../common/journal/journal-keeper";
import { Closing } from "../common/lifecycle/closing";
import { listen } from "../common/lifecycle/ops-server";
import { createMetrics } from "../common/metrics/metrics";
import { systemClock } from "../common/time/clock";
import { type EmbeddedStore, openEmbedded } from "../compose";
import { serveAdminSocket } from "./admin-socket";
import { claimDataFolders, type DataFolders } from "./data-folders";
import { embeddedDatabase, openKeeper } from "./embedded-state";
import { firstKeyHint, newKeyCommand, rememberFirstKey } from "./first-key-note";
import { masterKeyOf } from "./master-key";
import { processLog } from "./process-log";
import { FolderReplacement } from "./replace-while-running";
import { startScreen } from "./start-screen";
import { stopSignal } from "./stop-signals";

export const defaultGatewayPort = 7841;

/** `cairn serve`: all services in one process, until a signal. Throws when it cannot start; nothing is held then. */
export async function serve(settings: Settings): Promise<void> {
  const startedAtMs = performance.now();
  const stopped = stopSignal();
  const folders = claimDataFolders(settings.data);
  const opened = new Closing();
  try {
    const log = processLog(settings);
    const metrics = createMetrics({ defaults: true });
    for (const { folder, why } of folders.lost) log.error({ folder }, `the store goes on without it: ${why}`);
    let adminKey: string | undefined;
    const keeper = await openKeeper(folders, {
      log,
      metrics,
      say: (line) => process.stdout.write(`${line}\n`),
    });
    opened.add(keeper);
    const store = await openEmbedded(
      { settings, log, metrics },
      {
        database: (schema) => embeddedDatabase(keeper, schema),
        nodes: folders.nodes,
        health: () => keeper.health(),
      },
      masterKeyOf(settings.masterKeyFile, folders.roots),
      (event) => {
        adminKey = event.adminKey;
        rememberFirstKey(keeper.stateFolder, Date.now());
      },
    );
    opened.add(store);
    const replacement = new FolderReplacement({
      ...{ store, keeper, folders, masterKeyFile: settings.masterKeyFile, clock: systemClock },
      onTaken: (folder) => socket.add(folder),
    });
    const socket = await serveAdminSocket(folders.usable, (asked, progress) =>
      asked.verb === "new-key" ? store.newAdminKey() : replacement.replace(asked.from, asked.to, progress),
    );
    opened.add(socket);
    await keeper.started();
    try {
      const { server } = store.gateway;
      try {
        await listen(server, settings.host, settings.port ?? defaultGatewayPort);
      } catch (error) {
        // The key is committed, and no later start could show it.
        if (adminKey !== undefined) process.stdout.write(`Admin API Key: ${adminKey}\n`);
        throw error;
      }
      process.stdout.write(
        startScreen({
          version,
          url: urlOf(settings.host, server.address()),
          roots: folders.roots,
          promise: folders.promise,
          lost: lostFolders(folders, store, keeper),
          adminKey,
          keyHint: firstKeyHint(
            folders.states.map(({ folder }) => folder),
            settings.data,
          ),
          newKeyCommand: newKeyCommand(settings.data),
          tookMs: performance.now() - startedAtMs,
        }),
      );
      const signal = await stopped;
      log.info({ signal }, "stopping: finishing what is in flight");
      await store.gateway.drain();
    } finally {
      await opened.close();
    }
    log.info("stopped");
  } finally {
    await opened.close();
    folders.release();
  }
}

/** What the store goes on without, one line a data folder; a part of it may have failed alone. */
function lostFolders(folders: DataFolders, store: EmbeddedStore, keeper: JournalKeeper): string[] {
  const journals = keeper.journal.status().filter(({ failed }) => failed);
  const parts = [
    ...folders.lost,
    ...store.lost,
    ...journals.map(({ folder, reason: why }) => ({ folder, why })),
  ];
  const isWithin = (folder: string, other: string) => folder.startsWith(`${other}/`);
  return parts
    .filter(({ folder }) => !parts.some((other) => isWithin(folder, other.folder)))
    .map(({ folder, why }) => `${folder}: ${why}`);
}

/** The address as a client on this machine types it. */
export function urlOf(host: string, address: string | { port: number } | null): string {
  const port = address !== null && typeof address === "object" ? address.port : defaultGatewayPort;
  const name = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host;
  return `http://${name}:${port}`;
}
