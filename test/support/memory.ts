import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";

/** What a process holds in memory now, its pages of files included, in MiB. */
export async function residentMib(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1]) / 1024;
}

/** The most that each process was seen to hold while `work` ran, in MiB, in the order of `pids`. */
export async function peaksDuring(pids: readonly number[], work: Promise<unknown>): Promise<number[]> {
  let running = true;
  const peaks = await Promise.all(pids.map(residentMib));
  const watching = (async () => {
    while (running) {
      const now = await Promise.all(pids.map(residentMib));
      for (const [index, mib] of now.entries()) peaks[index] = Math.max(peaks[index] ?? 0, mib);
      await delay(50);
    }
  })();
  await work.finally(() => {
    running = false;
  });
  await watching;
  return peaks;
}
