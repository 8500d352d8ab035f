import { EndController, type EndSignal } from "../../../services/common/lifecycle/end-signal";
import type { Clock } from "../../../services/common/time/clock";
import type { VirtualTime } from "./virtual-time";

/**
 * One life of a simulated process. Its code runs in this one, so death means that nothing ever reaches it again:
 * no timer, no disk call, no message comes back, and what it still sends is dropped. A paused one (SIGSTOP) gets
 * everything when it goes on.
 */
export class SimProcess {
  readonly name: string;
  readonly clock: Clock;
  readonly death: EndSignal;
  readonly #time: VirtualTime;
  readonly #end = new EndController();
  #pausedUntilMs = 0;
  /** Ends of sleeps that listen to signals: Node holds on to a composed signal, and all behind it, while one listens. */
  readonly #sleeping = new Set<() => void>();

  /** `skewMs` is how wrong its wall clock is. */
  constructor(name: string, time: VirtualTime, skewMs: number) {
    this.name = name;
    this.#time = time;
    this.death = this.#end.signal;
    this.clock = {
      nowMs: () => time.epochMs + Math.floor(time.nowMs + skewMs),
      monotonicMs: () => time.nowMs,
      sleep: (ms, signal) => this.#sleep(ms, signal),
    };
  }

  get dead(): boolean {
    return this.death.aborted;
  }

  kill(): void {
    this.#end.abort(undefined);
    for (const leave of this.#sleeping) leave();
    this.#sleeping.clear();
  }

  pause(ms: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#time.nowMs + ms);
  }

  /** Goes on when what waits for it next looks, at the latest in a second. */
  goOn(): void {
    this.#pausedUntilMs = 0;
  }

  /** Runs `work` in this process, if it lives; when it is paused, once it goes on. */
  now(work: () => void): void {
    if (this.dead) return;
    if (this.#pausedUntilMs > this.#time.nowMs) this.after(0, work);
    else work();
  }

  /** Runs `work` in this process after `ms`, if it lives then; when it is paused, once it goes on. */
  after(ms: number, work: () => void): { cancel(): void } {
    const attempt = () => {
      if (this.dead) return;
      const leftMs = this.#pausedUntilMs - this.#time.nowMs;
      if (leftMs > 0) timer = this.#time.after(Math.min(leftMs, 1_000), attempt);
      else work();
    };
    let timer = this.#time.after(ms, attempt);
    return { cancel: () => timer.cancel() };
  }

  #sleep(ms: number, signal: EndSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const leave = () => {
        timer.cancel();
        signal?.removeEventListener("abort", done);
      };
      const done = () => {
        leave();
        this.#sleeping.delete(leave);
        resolve();
      };
      const timer = this.after(ms, done);
      signal?.addEventListener("abort", done, { once: true });
      this.#sleeping.add(leave);
    });
  }
}
