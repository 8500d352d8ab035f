import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Dialect, HeadOptions } from "./dialect";

/** A server that is measured: a process of its own, or one that runs already. */
export type Target = {
  readonly name: string;
  readonly url: URL;
  readonly dialect: Dialect;
  /** Undefined for one that somebody else runs. */
  readonly pid: number | undefined;
  /** The most memory that the process has held so far; undefined for one that runs elsewhere. */
  peakMemoryMiB(): number | undefined;
  /** CPU time that it and the processes below it have used so far, in microseconds; undefined where nobody tells. */
  cpuMicroseconds(): number | undefined;
  /** Asks it to end, by `signal`, and waits until it has. */
  stop(signal?: NodeJS.Signals): Promise<void>;
};

/** Line and header fields of a request to this target. */
export function headFor(target: Target, method: string, path: string, options?: HeadOptions): string {
  return target.dialect.head(method, target.url.host, path, options);
}

const startTimeoutMs = 60_000;

/**
 * Starts `program ...args` (by default this Node) and waits for its address, a line with `http://`, unless `url` says
 * it, then until `readyPath` answers 200. What it prints goes into a file in `folder`, as a service's log would: a
 * pipe would make this process part of what it measures.
 */
export async function startTarget(options: {
  readonly name: string;
  readonly program?: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly dialect: Dialect;
  readonly url?: URL;
  readonly readyPath?: string;
  readonly startTimeoutMs?: number;
}): Promise<Target> {
  const { name, program = process.execPath, args, env, dialect, readyPath } = options;
  const withinMs = options.startTimeoutMs ?? startTimeoutMs;
  const outputPath = join(options.folder, `${name}.log`);
  const output = openSync(outputPath, "w");
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["ignore", output, output] });
  closeSync(output);
  // However this process ends, nothing is left behind.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => {
      process.removeListener("exit", kill);
      resolve();
    });
    // A program that cannot be run at all.
    child.once("error", () => resolve());
  });
  const printed = () => readFileSync(outputPath, "utf8");
  const alive = () => {
    if (child.pid === undefined) throw new Error(`${program} cannot be run.`);
    if (child.exitCode !== null) throw new Error(`${name} ended at once.`);
  };
  try {
    const address = await poll(
      () => {
        alive();
        return (
          options.url?.href ?? /(?:Address\s+|Split store ready: )(http:\/\/[^\s,]+)/.exec(printed())?.[1]
        );
      },
      name,
      withinMs,
    );
    const url = new URL(address);
    if (readyPath !== undefined) {
      await poll(
        () => {
          alive();
          return isReady(new URL(readyPath, url));
        },
        name,
        withinMs,
      );
    }
    return {
      name,
      url,
      dialect,
      pid: child.pid,
      peakMemoryMiB: () => peakMemoryMiB(child),
      cpuMicroseconds: () => (child.pid === undefined ? undefined : cpuMicroseconds(child.pid)),
      stop: async (signal = "SIGTERM") => {
        child.kill(signal);
        await ended;
      },
    };
  } catch (error) {
    child.kill("SIGTERM");
    await ended;
    const lastLines = printed().split("\n").slice(-15).join("\n");
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${lastLines}`);
  }
}

/** A store that somebody else runs. */
export function runningTarget(name: string, url: URL, dialect: Dialect): Target {
  return {
    name,
    url,
    dialect,
    pid: undefined,
    peakMemoryMiB: () => undefined,
    cpuMicroseconds: () => undefined,
    stop: async () => {},
  };
}

async function isReady(page: URL): Promise<true | undefined> {
  const response = await fetch(page).catch(() => undefined);
  await response?.arrayBuffer();
  return response?.ok ? true : undefined;
}

async function poll<T>(
  look: () => T | undefined | Promise<T | undefined>,
  name: string,
  withinMs: number,
): Promise<T> {
  const untilMs = performance.now() + withinMs;
  while (performance.now() < untilMs) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${name} was not ready within ${withinMs / 1000} s.`);
}

function peakMemoryMiB(child: ChildProcess): number | undefined {
  try {
    const [, kib] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8")) ?? [];
    return kib === undefined ? undefined : Number(kib) / 1024;
  } catch {
    // Only Linux tells.
    return undefined;
  }
}

/** A tick of the kernel's clock for user space: 1/100 s on every Linux that Node runs on (`getconf CLK_TCK`). */
const tickMicroseconds = 10_000;

function cpuMicroseconds(pid: number): number | undefined {
  try {
    // proc(5): utime and stime are fields 14 and 15; what stands in brackets before them may hold spaces.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    const own = (Number(fields[11]) + Number(fields[12])) * tickMicroseconds;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
      .trim()
      .split(" ")
      .filter(Boolean);
    return children.reduce((sum, child) => sum + (cpuMicroseconds(Number(child)) ?? 0), own);
  } catch {
    // Only Linux tells, and of a process that has just ended nobody.
    return undefined;
  }
}
