import { CairnError } from "../../common/errors/cairn-error";
import { startWorker, type Worker } from "../../common/lifecycle/worker";
import type { Logger } from "../../common/log/logger";
import type { Clock } from "../../common/time/clock";

/** What the watch sees of a body. */
export type WatchedBody = {
  /** True while a reader waits for the client; time spent on our own side is not held against it. */
  readonly waiting: boolean;
  readonly receivedBytes: number;
  fail(error: CairnError): void;
};

/**
 * Gives up uploads that are slower than a minimum rate (DESIGN §9: a slow client meets a rate, not a total
 * time-out). One timer for all: small requests, which are over between two ticks, pay for two set operations.
 */
export class BodyRateWatch {
  readonly #bodies = new Map<WatchedBody, { waitedMs: number; bytesAtStart: number }>();
  readonly #worker: Worker;

  constructor(options: {
    readonly minBytesPerSecond: number;
    readonly windowMs: number;
    readonly clock: Clock;
    readonly log: Logger;
  }) {
    const tickMs = Math.min(1000, options.windowMs / 4);
    let lastMs = options.clock.monotonicMs();
    this.#worker = startWorker({
      name: "body-rate-watch",
      clock: options.clock,
      log: options.log,
      idleMs: tickMs,
      step: async () => {
        const nowMs = options.clock.monotonicMs();
        this.#tick(nowMs - lastMs, options.minBytesPerSecond, options.windowMs);
        lastMs = nowMs;
        return false;
      },
    });
  }

  add(body: WatchedBody): void {
    this.#bodies.set(body, { waitedMs: 0, bytesAtStart: 0 });
  }

  remove(body: WatchedBody): void {
    this.#bodies.delete(body);
  }

  close(): Promise<void> {
    return this.#worker.close();
  }

  #tick(elapsedMs: number, minBytesPerSecond: number, windowMs: number): void {
    for (const [body, window] of this.#bodies) {
      if (!body.waiting) continue;
      window.waitedMs += elapsedMs;
      if (window.waitedMs < windowMs) continue;
      const rate = ((body.receivedBytes - window.bytesAtStart) * 1000) / window.waitedMs;
      if (rate < minBytesPerSecond) {
        body.fail(
          new CairnError("BODY_TOO_SLOW", {
            message: `The body came at ${Math.round(rate)} bytes a second; at least ${minBytesPerSecond} are needed.`,
          }),
        );
      }
      window.waitedMs = 0;
      window.bytesAtStart = body.receivedBytes;
    }
  }
}
