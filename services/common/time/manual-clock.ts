import type { EndSignal } from "../lifecycle/end-signal";
import type { Clock } from "./clock";

/** A clock that a test moves by hand. Sleepers wake in order of their time when `advance` passes it. */
export class ManualClock implements Clock {
  #nowMs: number;
  #monotonicMs = 0;
  #sleepers: { atMs: number; wake: () => void }[] = [];

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  sleep(ms: number, signal?: EndSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const wake = () => {
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      this.#sleepers.push({ atMs: this.#monotonicMs + ms, wake });
      signal?.addEventListener("abort", wake, { once: true });
    });
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    this.#monotonicMs += ms;
    const due = this.#sleepers.filter((sleeper) => sleeper.atMs <= this.#monotonicMs);
    this.#sleepers = this.#sleepers.filter((sleeper) => sleeper.atMs > this.#monotonicMs);
    for (const sleeper of due.sort((a, b) => a.atMs - b.atMs)) sleeper.wake();
  }

  /** Moves wall time alone, as an operator or NTP does; monotonic time stays. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }
}
