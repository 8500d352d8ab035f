import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

export type OwnPostgres = {
  readonly url: string;
  stop(): Promise<void>;
  /** kill -9 of the server, as a crash. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Stops it and removes its files. */
  destroy(): Promise<void>;
};

/**
 * A PostgreSQL of a test's own, to be stopped or killed and started again. Its library is an ES module, which jest cannot load
 * within a test: a child process holds it.
 */
export async function startOwnPostgres(): Promise<OwnPostgres> {
  const child = spawn(process.execPath, [join(__dirname, "own-postgres-child.mjs")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error("the PostgreSQL of this test ended");
    return value;
  };
  const order = async (text: string): Promise<void> => {
    child.stdin.write(`${text}\n`);
    await answer();
  };
  const port = /^started (\d+)$/.exec(await answer())?.[1];
  return {
    url: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`,
    stop: () => order("stop"),
    kill: () => order("kill"),
    start: () => order("start"),
    destroy: async () => {
      const ended = once(child, "exit");
      child.stdin.end();
      await ended;
    },
  };
}
