import { setTimeout as delay } from "node:timers/promises";

/** Waits for a condition and answers what it gave; fails with its last error after `timeoutMs`. */
export async function until<T>(
  condition: () => Promise<T | false | undefined> | T | false | undefined,
  timeoutMs = 10_000,
): Promise<T> {
  const endsAtMs = performance.now() + timeoutMs;
  let last: unknown;
  while (performance.now() < endsAtMs) {
    try {
      const value = await condition();
      if (value !== false && value !== undefined) return value;
    } catch (error) {
      last = error;
    }
    await delay(20);
  }
  throw new Error(`the condition did not come true within ${timeoutMs} ms`, { cause: last });
}
