import type { EndSignal } from "../lifecycle/end-signal";

/** Time, passed in so that tests and simulations own it. */
export type Clock = {
  /** Milliseconds since the Unix epoch; may jump. For what is stored or shown. */
  nowMs(): number;
  /** Milliseconds on a clock that never goes back. For time-outs and heartbeats. */
  monotonicMs(): number;
  /** Resolves after `ms`, or at once when `signal` aborts; never rejects. Does not keep the process alive. */
  sleep(ms: number, signal?: EndSignal): Promise<void>;
};

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      timer.unref();
      signal?.addEventListener("abort", done, { once: true });
    }),
};
