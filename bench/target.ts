import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A server that is measured: a process of its own, or one that runs already. */
export type Target = {
  readonly name: string;
  readonly url: URL;
  /** Bearer key; the floor needs none. */
  readonly key: string | undefined;
  /** The most memory that the process has held so far; undefined for one that runs elsewhere. */
  peakMemoryMiB(): number | undefined;
  /** CPU time that it and the processes below it have used so far, in microseconds; undefined where nobody tells. */
  cpuMicroseconds(): number | undefined;
  stop(): Promise<void>;
};

const startTimeoutMs = 60_000;

/**
 * Starts `node ...args` and waits for its address, a line with `http://`. What it prints goes into a file in
 * `folder`, as a service's log would: a pipe would make this process part of what it measures.
 */
export async function startTarget(options: {
  readonly name: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly key?: string;
}): Promise<Target> {
  const outputPath = join(options.folder, `${options.name}.log`);
  const output = openSync(outputPath, "w");
  const child = spawn(process.execPath, options.args, {
    env: { ...process.env, ...options.env },
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const printed = () => readFileSync(outputPath, "utf8");
  try {
    const address = await poll(() => {
      if (child.exitCode !== null) throw new Error(`${options.name} ended at once.`);
      return /(?:Address\s+|Split store ready: )(http:\/\/[^\s,]+)/.exec(printed())?.[1];
    }, options.name);
    const url = new URL(address);
    if (options.key !== undefined) await poll(() => isReady(url), options.name);
    return {
      name: options.name,
      url,
      key: options.key,
      peakMemoryMiB: () => peakMemoryMiB(child),
      cpuMicroseconds: () => (child.pid === undefined ? undefined : cpuMicroseconds(child.pid)),
      stop: async () => {
        child.kill("SIGTERM");
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
export function runningTarget(name: string, url: URL, key: string): Target {
  return {
    name,
    url,
    key,
    peakMemoryMiB: () => undefined,
    cpuMicroseconds: () => undefined,
    stop: async () => {},
  };
}

async function isReady(url: URL): Promise<true | undefined> {
  const response = await fetch(new URL("/_/health/ready", url)).catch(() => undefined);
  await response?.arrayBuffer();
  return response?.ok ? true : undefined;
}

async function poll<T>(look: () => T | undefined | Promise<T | undefined>, name: string): Promise<T> {
  const untilMs = performance.now() + startTimeoutMs;
  while (performance.now() < untilMs) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${name} was not ready within ${startTimeoutMs / 1000} s.`);
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
