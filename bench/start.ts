import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { crc32c } from "@node-rs/crc32";
import { newId } from "../services/common/ids/uuid";
import { silentLogger } from "../services/common/log/logger";
import { systemClock } from "../services/common/time/clock";
import { storageDefaults } from "../services/storage/config";
import { type HybridEngine, openHybridEngine } from "../services/storage/hybrid-engine";
import { nodeDisk } from "../services/storage/node-disk";
import { table, verdict } from "./table";

/**
 * How long a volume with a million small blobs takes to open: after a clean stop, after a kill in the middle of writes,
 * and with no index at all. Filled straight through the engine, by a process of its own that can be killed.
 */
const sizeBytes = 512;
const writesAtOnce = 1_000;

type Told = { readonly written?: number; readonly openMs?: number; readonly blobs?: number };

function openEngine(folder: string): Promise<HybridEngine> {
  const config = { ...storageDefaults, folders: [folder] };
  return openHybridEngine({
    folder,
    disk: nodeDisk,
    clock: systemClock,
    log: silentLogger,
    readOnly: false,
    config,
  });
}

/** The child: opens the volume, tells how long that took, writes so many blobs and more until it is told to stop. */
async function child(folder: string, blobs: number): Promise<void> {
  const startMs = performance.now();
  const engine = await openEngine(folder);
  const tell = (told: Told) => process.send?.(told);
  tell({ openMs: performance.now() - startMs, blobs: engine.blobs });
  let stopping = false;
  process.once("message", () => {
    stopping = true;
  });
  const content = Buffer.alloc(sizeBytes, 7);
  const summary = { sizeBytes, crc32c: crc32c(content) };
  let written = 0;
  const client = async () => {
    while (!stopping && blobs > 0) {
      await engine.write(newId(), content, summary);
      written += 1;
      if (written === blobs) tell({ written });
    }
  };
  await Promise.all(Array.from({ length: writesAtOnce }, client));
  if (blobs === 0) while (!stopping) await systemClock.sleep(1);
  await engine.close();
  process.disconnect();
}

function startChild(folder: string, blobs: number): ChildProcess {
  return fork(__filename, ["--child", folder, "--blobs", String(blobs)]);
}

async function told(process: ChildProcess): Promise<Told> {
  const [message] = (await once(process, "message")) as [Told];
  return message;
}

/** Opens the volume in a process of its own and stops it. */
async function timeOpen(folder: string): Promise<Required<Pick<Told, "openMs" | "blobs">>> {
  const opened = startChild(folder, 0);
  const { openMs = 0, blobs = 0 } = await told(opened);
  await stop(opened);
  return { openMs, blobs };
}

async function stop(process: ChildProcess): Promise<void> {
  const ended = once(process, "exit");
  process.send("stop");
  await ended;
}

async function main(folder: string, blobs: number): Promise<void> {
  const rows: string[][] = [];
  const row = (how: string, { openMs, blobs: found }: { openMs: number; blobs: number }, goalMs?: number) => {
    const goal = goalMs === undefined ? "" : `${goalMs} ms ${verdict(openMs <= goalMs)}`;
    rows.push([how, `${Math.round(openMs)} ms`, String(found), goal]);
  };
  const volume = join(folder, "volume");
  mkdirSync(volume);
  process.stderr.write(`writing ${blobs} blobs of ${sizeBytes} bytes\n`);
  const filling = startChild(volume, blobs);
  await told(filling);
  await told(filling);
  await stop(filling);
  row("after a clean stop", await timeOpen(volume), 2_000);

  const killed = startChild(volume, 20_000);
  await told(killed);
  await told(killed);
  const ended = once(killed, "exit");
  killed.kill("SIGKILL");
  await ended;
  row("after a kill amid writes", await timeOpen(volume), 10_000);

  for (const name of ["index.db", "index.db-wal", "index.db-shm"])
    rmSync(join(volume, name), { force: true });
  row("with no index", await timeOpen(volume));
  process.stdout.write(`${table(["start", "opens in", "blobs", "goal"], rows)}\n`);
}

async function run(): Promise<void> {
  const { values } = parseArgs({
    options: {
      child: { type: "string" },
      blobs: { type: "string", default: "1000000" },
      folder: { type: "string", default: tmpdir() },
    },
  });
  const blobs = Number(values.blobs);
  if (values.child !== undefined) return child(values.child, blobs);
  const base = mkdtempSync(join(resolve(values.folder), "cairn-bench-start-"));
  try {
    await main(base, blobs);
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

void run().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
});
