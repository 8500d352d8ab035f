import type { Clock } from "../common/time/clock";

/** Asked now and then while it is watched. */
export type Watched = {
  /** `nowMs` is monotonic. Must not throw. */
  check(nowMs: number): void;
};

/**
 * One timer for all that waits on something slow: hundreds of streams are looked at twenty times a second, so that
 * no chunk pays for a timer of its own. Sleeps while nothing is watched.
 */
export class WatchLoop {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #watched = new Set<Watched>();
  #running = false;

  constructor(clock: Clock, tickMs = 50) {
    this.#clock = clock;
    this.#tickMs = tickMs;
  }

  /** How many are watched now. */
  get watches(): number {
    return this.#watched.size;
  }

  add(watched: Watched): void {
    this.#watched.add(watched);
    if (this.#running) return;
    this.#running = true;
    void this.#run();
  }

  delete(watched: Watched): void {
    this.#watched.delete(watched);
  }

  async #run(): Promise<void> {
    while (this.#watched.size > 0) {
      await this.#clock.sleep(this.#tickMs);
      const nowMs = this.#clock.monotonicMs();
      for (const watched of this.#watched) watched.check(nowMs);
    }
    this.#running = false;
  }
}
