import { Worker } from "node:worker_threads";

/** What work of a thread of its own is given: it stands alone, and sees nothing else of this file or its caller. */
export type Apart = {
  readonly require: NodeJS.Require;
  readonly sqlite: string;
  report(message: unknown): void;
};

/**
 * Runs a function in a thread of its own, so that SQLite's long calls do not stop the one that serves requests. Its
 * text is what travels: it may use its arguments and nothing from around it. Rejects with what it threw, and once the
 * thread has ended when the signal ends it.
 */
export function runApart<T, R>(
  work: (task: T, apart: Apart) => Promise<R>,
  task: T,
  signal: AbortSignal,
  report: (message: unknown) => void = () => {},
): Promise<R> {
  const code = `
    const { parentPort, workerData } = require("node:worker_threads");
    const apart = { require, sqlite: workerData.sqlite, report: (report) => parentPort.postMessage({ report }) };
    (${work.toString()})(workerData.task, apart).then(
      (result) => parentPort.postMessage({ result }),
      (error) => parentPort.postMessage({ error: error instanceof Error ? error.message : String(error) }),
    );`;
  return new Promise((resolve, reject) => {
    const worker = new Worker(code, {
      eval: true,
      workerData: { task, sqlite: require.resolve("better-sqlite3") },
    });
    // A process that ends does not wait for it.
    worker.unref();
    worker.on("message", (message: { report?: unknown; result?: R; error?: string }) => {
      if ("report" in message) report(message.report);
      else if (message.error !== undefined) reject(new Error(message.error));
      else resolve(message.result as R);
    });
    const end = () => void worker.terminate();
    if (signal.aborted) end();
    signal.addEventListener("abort", end, { once: true });
    worker.once("exit", () => signal.removeEventListener("abort", end));
    worker.on("error", reject);
    worker.on("exit", () => reject(new Error("the thread ended")));
  });
}
