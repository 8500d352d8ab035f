import type { Clock } from "../common/time/clock";
import type { WatchLoop } from "./watch-loop";

/** A user's request that began so long ago, or is under way, makes healing step back. */
const recentMs = 250;

/** Whether users ask for anything at the moment. */
export class Traffic {
  readonly #clock: Clock;
  readonly #watch: WatchLoop;
  #lastAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, watch: WatchLoop) {
    this.#clock = clock;
    this.#watch = watch;
  }

  /** A request begins. */
  touch(): void {
    this.#lastAtMs = this.#clock.monotonicMs();
  }

  /** Bodies under way are what the watch loop looks at. */
  isBusy(): boolean {
    return this.#watch.watches > 0 || this.#clock.monotonicMs() - this.#lastAtMs < recentMs;
  }
}
