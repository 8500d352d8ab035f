import { createHash } from "node:crypto";
import { RateLimiterMemory } from "rate-limiter-flexible";
import { CairnError } from "../common/errors/cairn-error";
import { failureSource } from "./source-address";

const windowSeconds = 60;
const sharedCounters = 4_096;

/**
 * Limits failed authentications by source within a minute from the first. Below the limit a failure keeps nobody from
 * succeeding; at it, the source waits for the rest of the minute, whatever it sends.
 *
 * Memory is bounded (I7): `maxSources` have counters of their own in a window; a flood of further ones shares 4,096.
 */
export class FailureLimit {
  readonly #limiter: RateLimiterMemory;
  readonly #maxSources: number;
  #tracked = 0;
  #trackedBefore = 0;
  #windowStartMs = 0;
  readonly #monotonicMs: () => number;

  constructor(options: { perMinute: number; maxSources?: number; monotonicMs: () => number }) {
    this.#limiter = new RateLimiterMemory({ points: options.perMinute, duration: windowSeconds });
    this.#maxSources = options.maxSources ?? 100_000;
    this.#monotonicMs = options.monotonicMs;
  }

  /** Throws TOO_MANY_FAILURES when the source has used up its failures. */
  async check(address: string): Promise<void> {
    const [own, shared] = this.#keys(address);
    const state = (await this.#limiter.get(own)) ?? (await this.#limiter.get(shared));
    if (state !== null && state.consumedPoints >= this.#limiter.points && state.msBeforeNext > 0) {
      const seconds = Math.max(1, Math.ceil(state.msBeforeNext / 1_000));
      throw new CairnError("TOO_MANY_FAILURES", {
        message: `Too many failed authentications from ${failureSource(address) || "this address"}.`,
        hint: `Wait ${seconds} seconds, then ask with a key that is good.`,
        params: { retry_after_seconds: String(seconds) },
      });
    }
  }

  async note(address: string): Promise<void> {
    const [own, shared] = this.#keys(address);
    this.#turn();
    const known = (await this.#limiter.get(own)) !== null;
    const full = this.#tracked + this.#trackedBefore >= this.#maxSources;
    if (!known && !full) this.#tracked++;
    await this.#limiter.penalty(known || !full ? own : shared);
  }

  /** A counter of its own, and the one that it shares when there is no room for that. */
  #keys(address: string): [own: string, shared: string] {
    const source = failureSource(address);
    const hash = createHash("sha256").update(source).digest().readUInt16BE(0) % sharedCounters;
    return [`source:${source}`, `shared:${hash}`];
  }

  /** A counter lives for one window, so all that can exist began in this window or in the one before. */
  #turn(): void {
    const nowMs = this.#monotonicMs();
    const elapsedMs = nowMs - this.#windowStartMs;
    if (elapsedMs < windowSeconds * 1_000) return;
    this.#trackedBefore = elapsedMs < 2 * windowSeconds * 1_000 ? this.#tracked : 0;
    this.#tracked = 0;
    this.#windowStartMs = nowMs;
  }
}
