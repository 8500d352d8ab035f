import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { until } from "./until";

const entry = join(__dirname, "../../dist/cairn.js");

/** A real `cairn` process, as a user starts it. */
export type CairnProcess = {
  readonly child: ChildProcess;
  /** All lines that it printed on either stream. */
  readonly lines: string[];
  /** Waits for a line that matches and answers the match. */
  line(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  /** Sends a signal and waits for its end; answers the exit code, null after a kill. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  readonly exited: Promise<number | null>;
};

/**
 * Starts `node dist/cairn.js ...args`, or another `program`, with this environment on top of a clean one; `under`
 * another command, such as strace and its arguments.
 */
export function startCairn(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  { program = entry, under = [] }: { program?: string | undefined; under?: readonly string[] } = {},
): CairnProcess {
  const [command = "", ...rest] = [...under, process.execPath, program, ...args];
  const child = spawn(command, rest, {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, LOG_FORMAT: "json", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", (line) => lines.push(line));
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  let closed = false;
  child.once("close", () => {
    closed = true;
  });
  // A test that fails must not leave a server behind.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  void exited.then(() => process.removeListener("exit", kill));
  return {
    child,
    lines,
    exited,
    line: async (pattern, timeoutMs = 60_000) => {
      const find = () => lines.map((line) => pattern.exec(line)).find((match) => match !== null);
      let found: RegExpExecArray | undefined;
      // A process that has ended prints nothing more.
      await until(() => {
        found = find();
        return found !== undefined || closed;
      }, timeoutMs).catch(() => {});
      if (found !== undefined) return found;
      const ended = child.exitCode ?? child.signalCode;
      throw new Error(
        `no line ${pattern}${ended === null ? "" : `, and it ended with ${ended}`}; it printed:\n${lines.slice(-40).join("\n")}`,
      );
    },
    stop: async (signal = "SIGTERM") => {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      return exited;
    },
  };
}

/** A running embedded store in a process of its own. */
export type EmbeddedProcess = CairnProcess & { readonly url: string };

/** `cairn serve` on a free port; resolves when it listens. */
export async function serveCairn(
  data: string,
  env: Readonly<Record<string, string>> = {},
  args: readonly string[] = [],
  how: Parameters<typeof startCairn>[2] = {},
): Promise<EmbeddedProcess> {
  const full = ["serve", "--data", data, "--port", "0", ...args];
  const started = startCairn(full, { RATE_LIMIT: "0", ...env }, how);
  const [, url = ""] = await started.line(/Address\s+(http:\S+)/, 45_000);
  return { ...started, url };
}
