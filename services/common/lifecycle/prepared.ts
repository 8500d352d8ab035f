import { CairnError, hasReason } from "../errors/cairn-error";
import type { Logger } from "../log/logger";
import type { Clock } from "../time/clock";
import { startWorker } from "./worker";

/** What a service makes from its database at start: schema, keys, first rows. */
export type Prepared<T> = {
  /** What was made. Until then throws why not: DATABASE_UNAVAILABLE, mostly. */
  get(): T;
  close(): Promise<void>;
};

/**
 * Makes it now. When the database is away, goes on trying each second, so that a service starts before its database
 * and needs no restart; until then its calls answer 503. Any other failure at once is thrown: it needs a person.
 */
export async function prepare<T>(options: {
  readonly name: string;
  readonly make: () => Promise<T>;
  readonly clock: Clock;
  readonly log: Logger;
}): Promise<Prepared<T>> {
  const { name, make, clock, log } = options;
  let state: { made: T } | { failure: unknown };
  try {
    state = { made: await make() };
  } catch (error) {
    if (!isAway(error)) throw error;
    log.warn({ err: error, service: name }, "the database cannot be reached: trying until it is there");
    state = { failure: error };
  }
  const attempt = async () => {
    try {
      state = { made: await make() };
      log.info({ service: name }, "the database is there");
    } catch (error) {
      state = { failure: error };
      if (!isAway(error)) throw error;
    }
  };
  const worker =
    "made" in state
      ? undefined
      : startWorker({
          name: `${name}-prepare`,
          clock,
          log,
          idleMs: 1_000,
          step: async () => {
            if (!("made" in state)) await attempt();
            return false;
          },
        });
  return {
    get: () => {
      if ("made" in state) return state.made;
      const { failure } = state;
      throw failure instanceof CairnError ? failure : new CairnError("INTERNAL", { cause: failure });
    },
    close: async () => worker?.close(),
  };
}

function isAway(error: unknown): boolean {
  return hasReason(error, "DATABASE_UNAVAILABLE", "OUTCOME_UNKNOWN");
}
