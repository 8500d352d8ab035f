import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { ConfigError, type Settings } from "../common/config/options";
import { lockFolder } from "../common/lifecycle/folder-lock";
import type { Role } from "../compose";
import { clusterSecretOf } from "./key-files";
import { makeFolder } from "./make-folder";
import { masterKeyOf } from "./master-key";
import { rolePorts } from "./service";
import { startDevelopmentPostgres } from "./split-postgres";
import { stopSignal } from "./stop-signals";

type Child = { readonly name: string; readonly role: Role; readonly env: Record<string, string> };

/** Where a split store in a folder tells its database to other commands. */
export const splitDatabaseUrlFile = "database-url";

/** A service that dies is started again after this long, so that a development store heals like a real one. */
const restartAfterMs = 1_000;

/**
 * `cairn split`: the six services as separate processes with three storage nodes and a real PostgreSQL, on the ports
 * of the guide, for development and tests.
 */
export async function split(settings: Settings, entry: string, env: NodeJS.ProcessEnv): Promise<void> {
  const stopped = stopSignal();
  const folder = join(resolve(settings.data[0] ?? "./data"), "split");
  // As root PostgreSQL runs as a user of its own, who must get through to its files; the secrets beside are 0600.
  makeFolder(folder, "Give another one with --data, or make it writable.", 0o711);
  const lock = lockFolder(folder);
  try {
    clusterSecretOf(settings.clusterSecret, folder);
    masterKeyOf(settings.masterKeyFile, [folder]);
    const postgres =
      settings.databaseUrl === undefined
        ? await startDevelopmentPostgres(join(folder, "postgres"))
        : undefined;
    const databaseUrl = settings.databaseUrl ?? postgres?.url;
    if (databaseUrl === undefined) throw new ConfigError("DATABASE_URL is needed");
    // For `cairn admin new-key` beside it; the port of a development PostgreSQL changes with each start.
    writeFileSync(join(folder, splitDatabaseUrlFile), `${databaseUrl}\n`, { mode: 0o600 });
    const family = new Family(entry, {
      ...env,
      CAIRN_DATA: folder,
      DATABASE_URL: databaseUrl,
      HOST: settings.host,
    });
    try {
      const listening = Promise.all(childrenOf(folder).map((child) => family.start(child)));
      if (typeof (await Promise.race([listening, stopped])) !== "string") {
        const url = `http://${settings.host}:${rolePorts.gateway}`;
        process.stdout.write(`Split store ready: ${url}, files in ${folder}\n`);
      }
      await stopped;
    } finally {
      await family.stop();
      await postgres?.stop();
    }
  } finally {
    lock.release();
  }
}

function childrenOf(folder: string): Child[] {
  const storage = [1, 2, 3].map((number) => ({
    name: `storage-${number}`,
    role: "storage" as const,
    env: { PORT: `${rolePorts.storage + number - 1}`, STORAGE_ROOT: join(folder, `storage-${number}`) },
  }));
  const others = (["metadata", "identity", "bucket", "object", "gateway"] as const).map((role) => ({
    name: role,
    role,
    env: {},
  }));
  return [...storage, ...others];
}

/** Child processes that live and die together; their lines are passed on under their names. */
class Family {
  readonly #running = new Map<string, ChildProcess>();
  #stopping = false;

  constructor(
    readonly entry: string,
    readonly env: NodeJS.ProcessEnv,
  ) {}

  /** Resolves when it listens; later starts of it are nobody's to wait for. */
  start(child: Child): Promise<void> {
    const process_ = spawn(process.execPath, [this.entry, "service", child.role], {
      env: { ...this.env, ...child.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#running.set(child.name, process_);
    const listens = new Promise<void>((resolve) => {
      for (const stream of [process_.stdout, process_.stderr]) {
        createInterface({ input: stream }).on("line", (line) => {
          process.stdout.write(`${child.name.padEnd(10)} ${line}\n`);
          if (line.includes("service listens")) resolve();
        });
      }
    });
    process_.on("exit", (code, signal) => {
      this.#running.delete(child.name);
      if (this.#stopping) return;
      process.stdout.write(`${child.name.padEnd(10)} ended (${signal ?? code}); starting it again\n`);
      setTimeout(() => {
        if (!this.#stopping) void this.start(child);
      }, restartAfterMs);
    });
    return listens;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const ended = [...this.#running.values()].map(
      (child) => new Promise((resolve) => child.once("exit", resolve)),
    );
    for (const child of this.#running.values()) child.kill("SIGTERM");
    await Promise.all(ended);
  }
}
