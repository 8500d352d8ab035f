import { execFileSync, spawn } from "node:child_process";
import { until } from "../../support/until";

/** Why no call can be made to fail on this machine; undefined when it can. */
export function whyNoStrace(): string | undefined {
  try {
    execFileSync("strace", ["-f", "-o", "/dev/null", "-e", "inject=getpid:error=EIO:when=1", "true"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    return undefined;
  } catch (error) {
    return `strace cannot be used: ${String(error).split("\n")[0]}`;
  }
}

/**
 * Does something to system calls of a running process, as `strace -e inject=` says it: `pwrite64,pwritev` with
 * `error=EIO:when=7` fails the seventh. Answers how to let go, once it holds every thread.
 */
export async function inject(pid: number, calls: string, what: string): Promise<() => Promise<void>> {
  const child = spawn(
    "strace",
    ["-f", "-p", `${pid}`, "-o", "/dev/null", "-e", `trace=${calls}`, "-e", `inject=${calls}:${what}`],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let told = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    told += text;
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await until(() => {
    if (child.exitCode !== null) throw new Error(`strace ended: ${told}`);
    return told.includes("attached");
  });
  return async () => {
    child.kill("SIGINT");
    await ended;
  };
}
