import type { Clock } from "../../common/time/clock";
import type { Traffic } from "../traffic";

/**
 * The bound on all that heals in one process. At most so many bytes a second; and while users ask for anything, at most
 * a share of the time: it rests in proportion to what a step took, so that it steps back further the slower the disks
 * answer.
 */
export class Pace {
  readonly #clock: Clock;
  readonly #traffic: Traffic;
  readonly #bytesPerSecond: number;
  readonly #share: number;
  /** When the bytes that were granted so far have had their time. Monotonic. */
  #paidUntilMs = 0;

  constructor(deps: { clock: Clock; traffic: Traffic; bytesPerSecond: number; share: number }) {
    this.#clock = deps.clock;
    this.#traffic = deps.traffic;
    this.#bytesPerSecond = deps.bytesPerSecond;
    this.#share = deps.share;
  }

  /** Does one step, and rests behind it as long as it must. `bytes` tells what the step moved. */
  async step<T>(work: () => Promise<T>, bytes: (result: T) => number, signal: AbortSignal): Promise<T> {
    const startedMs = this.#clock.monotonicMs();
    let result: T | undefined;
    try {
      result = await work();
      return result;
    } finally {
      const nowMs = this.#clock.monotonicMs();
      if (result !== undefined)
        this.#paidUntilMs =
          Math.max(startedMs, this.#paidUntilMs) + (bytes(result) / this.#bytesPerSecond) * 1_000;
      const forUsersMs = this.#traffic.isBusy() ? (nowMs - startedMs) * (1 / this.#share - 1) : 0;
      const restMs = Math.max(this.#paidUntilMs - nowMs, forUsersMs);
      if (restMs >= 1 && !signal.aborted) await this.#clock.sleep(restMs, signal);
    }
  }
}
