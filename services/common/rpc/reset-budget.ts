/** How many streams of a session its client may reset: so many at once, and so many more each second. */
export type ResetLimit = { readonly burst: number; readonly perSecond: number };

/**
 * nghttp2 as a server bears 1,000 resets at once and 33 more a second. It counts whole seconds of its own clock, hence
 * the margin.
 */
export const serverResetLimit: ResetLimit = { burst: 900, perSecond: 30 };

/** What is left of a session's resets. Times are milliseconds of a monotonic clock. */
export class ResetBudget {
  readonly #limit: ResetLimit;
  #left: number;
  #atMs: number;

  constructor(limit: ResetLimit, nowMs: number) {
    this.#limit = limit;
    this.#left = limit.burst;
    this.#atMs = nowMs;
  }

  left(nowMs: number): number {
    const regained = ((nowMs - this.#atMs) / 1000) * this.#limit.perSecond;
    this.#left = Math.min(this.#limit.burst, this.#left + regained);
    this.#atMs = nowMs;
    return this.#left;
  }

  spend(nowMs: number): void {
    this.#left = this.left(nowMs) - 1;
  }
}
