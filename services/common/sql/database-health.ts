import { toCairnError } from "../errors/cairn-error";
import type { DependencyHealth } from "../lifecycle/running-service";
import type { Clock } from "../time/clock";
import type { Database } from "./database";

const longestMs = 1_900;

/** Asks the database now; never throws, answers within 2 s. `failure` tells what else is wrong with it. */
export async function databaseHealth<Tables>(
  database: Database<Tables>,
  clock: Clock,
  failure: () => void = () => {},
): Promise<DependencyHealth> {
  const name = database.kind;
  const startMs = clock.monotonicMs();
  const timer = new AbortController();
  const timeout = setTimeout(() => timer.abort(), longestMs);
  try {
    const late = new Promise<"late">((resolve) => {
      timer.signal.addEventListener("abort", () => resolve("late"), { once: true });
    });
    const answer = await Promise.race([database.ping(), late]);
    const latencyMs = clock.monotonicMs() - startMs;
    if (answer === "late") return { name, ok: false, latencyMs, detail: `no answer within ${longestMs} ms` };
    failure();
    return { name, ok: true, latencyMs };
  } catch (error) {
    return { name, ok: false, latencyMs: clock.monotonicMs() - startMs, detail: toCairnError(error).message };
  } finally {
    clearTimeout(timeout);
  }
}
