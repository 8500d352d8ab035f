import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

type Stoppable = { stop(): Promise<void> };

/** A folder of a run's own, and the processes that are to end with it. */
export type Workplace = {
  readonly folder: string;
  /** Stopped at the end of the work, however it ends, the last one first. */
  keep<S extends Stoppable>(started: S): S;
  /** Stops what is kept, now: before figures that need it stopped. */
  stopAll(): Promise<void>;
};

/**
 * Does `work` in a new folder below `parent` (by default that for temporary files), then stops all that was started
 * and removes the folder: also at SIGINT and SIGTERM, since the servers are processes of their own and would outlive
 * a bench that is broken off.
 */
export async function inWorkplace(
  parent: string | undefined,
  work: (place: Workplace) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(resolve(parent ?? tmpdir()), "cairn-bench-"));
  const kept: Stoppable[] = [];
  const stopAll = async () => {
    for (let last = kept.pop(); last !== undefined; last = kept.pop()) await last.stop();
  };
  const end = async () => {
    await stopAll();
    rmSync(folder, { recursive: true, force: true });
  };
  const breakOff = () => void end().finally(() => process.exit(130));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, breakOff);
  try {
    await work({
      folder,
      keep: (started) => {
        kept.push(started);
        return started;
      },
      stopAll,
    });
  } finally {
    await end();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.removeListener(signal, breakOff);
  }
}

/** Runs a tool of the bench: what it throws is a line on stderr and the exit code 1. */
export function runTool(name: string, main: () => Promise<void>): void {
  main().catch((error: unknown) => {
    process.stderr.write(`${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
}
