import type { EndSignal } from "../common/lifecycle/end-signal";
import type { Clock } from "../common/time/clock";

/** Shorter waits are put off until they add up: a timer for each small record would cost more than its bytes. */
const shortestWaitMs = 20;

/** Holds background work to a rate: whoever has used so many bytes waits until they are due. */
export class Pace {
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  #dueMs: number;

  /** `bytesPerSecond` 0 is no limit. */
  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
    this.#dueMs = clock.monotonicMs();
  }

  /** Counts `bytes` and waits for their share of time, or until the signal. Time that was not used is not saved up. */
  async used(bytes: number, signal: EndSignal): Promise<void> {
    if (this.#bytesPerSecond === 0) return;
    const nowMs = this.#clock.monotonicMs();
    this.#dueMs = Math.max(this.#dueMs, nowMs) + (bytes / this.#bytesPerSecond) * 1_000;
    if (this.#dueMs - nowMs >= shortestWaitMs) await this.#clock.sleep(this.#dueMs - nowMs, signal);
  }
}
