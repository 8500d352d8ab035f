import type { Logger } from "../log/logger";
import type { Clock } from "../time/clock";

/**
 * Runs `step` again and again until closed: at once (or by its share) while a step says that more is waiting, after `idleMs` when not,
 * after `idleMs` too when it failed (logged, never thrown: a worker outlives a database that is away).
 */
export function startWorker(options: {
  readonly name: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly idleMs: number;
  /**
   * How much of the time it may take while more is waiting, above 0 to 1, the default: it rests in proportion to what
   * a step took. For work that can wait, where requests cannot.
   */
  readonly share?: number;
  /** One bounded step; true when more is waiting. */
  readonly step: (signal: AbortSignal) => Promise<boolean>;
}): Worker {
  const { share = 1 } = options;
  const stop = new AbortController();
  let nudged = new AbortController();
  let wake = AbortSignal.any([stop.signal, nudged.signal]);
  const loop = async () => {
    while (!stop.signal.aborted) {
      let more = false;
      const startedMs = options.clock.monotonicMs();
      try {
        more = await options.step(stop.signal);
      } catch (error) {
        if (!stop.signal.aborted)
          options.log.warn({ err: error, worker: options.name }, "worker step failed");
      }
      if (more && share < 1) {
        const tookMs = options.clock.monotonicMs() - startedMs;
        await options.clock.sleep(tookMs * (1 / share - 1), stop.signal);
      }
      if (!more && !stop.signal.aborted) {
        await options.clock.sleep(options.idleMs, wake);
        if (nudged.signal.aborted) {
          nudged = new AbortController();
          wake = AbortSignal.any([stop.signal, nudged.signal]);
        }
      }
    }
  };
  const ended = loop();
  return {
    nudge: () => nudged.abort(),
    close: async () => {
      stop.abort();
      await ended;
    },
  };
}

export type Worker = {
  /** Wakes it if it sleeps. */
  nudge(): void;
  /** Asks the step to stop by its signal and waits for it. */
  close(): Promise<void>;
};
