import { toCairnError } from "../errors/cairn-error";
import type { Clock } from "../time/clock";
import type { DependencyHealth } from "./running-service";

/** Asks one dependency and says how it went and how long it took. Never throws. */
export async function probe(
  name: string,
  clock: Clock,
  ask: () => Promise<unknown>,
): Promise<DependencyHealth> {
  const startedAtMs = clock.monotonicMs();
  const latencyMs = () => Math.round((clock.monotonicMs() - startedAtMs) * 10) / 10;
  try {
    await ask();
    return { name, ok: true, latencyMs: latencyMs() };
  } catch (error) {
    return { name, ok: false, latencyMs: latencyMs(), detail: toCairnError(error).message };
  }
}
