import type { RateCount } from "./domain";

const largestCount = 0xffff_ffff;

type Count = { own: number; others: number; changed: boolean };

/**
 * Sums of requests by subject and minute. What this process was told is `own`; what other identity processes on the
 * same database were told is `others`, brought in by rate-sharing.ts. Only the minutes around now are kept, and at most
 * `maxSubjects` in each (I7); what is beyond is answered as it was reported, so each gateway then limits by itself.
 */
export class Rates {
  readonly #windows = new Map<number, Map<string, Count>>();
  readonly #maxSubjects: number;
  readonly #nowMs: () => number;

  constructor(options: { maxSubjects: number; nowMs: () => number }) {
    this.#maxSubjects = options.maxSubjects;
    this.#nowMs = options.nowMs;
  }

  /** Adds what one gateway counted and answers the sums of the same subjects and minutes. */
  add(counts: readonly RateCount[]): RateCount[] {
    this.#forgetOld();
    return counts.map((count) => {
      const kept = this.#count(count.window, count.subject);
      if (kept === undefined) return count;
      kept.own = Math.min(kept.own + count.requests, largestCount);
      if (count.requests > 0) kept.changed = true;
      return { ...count, requests: Math.min(kept.own + kept.others, largestCount) };
    });
  }

  /** Own sums that changed since they were last taken, at most `limit`. */
  takeChanged(limit: number): RateCount[] {
    this.#forgetOld();
    const taken: RateCount[] = [];
    for (const [window, subjects] of this.#windows) {
      for (const [subject, count] of subjects) {
        if (!count.changed) continue;
        if (taken.length >= limit) return taken;
        count.changed = false;
        taken.push({ subject, window, requests: count.own });
      }
    }
    return taken;
  }

  /** They could not be passed on: the next take has them again. */
  putBack(counts: readonly RateCount[]): void {
    for (const { subject, window } of counts) {
      const kept = this.#windows.get(window)?.get(subject);
      if (kept !== undefined) kept.changed = true;
    }
  }

  /** What the other processes have counted by now; replaces what they had before. */
  setOthers(counts: readonly RateCount[]): void {
    this.#forgetOld();
    for (const { subject, window, requests } of counts) {
      const kept = this.#count(window, subject);
      if (kept !== undefined) kept.others = Math.min(requests, largestCount);
    }
  }

  /** The minute that it is now; it and its neighbours are kept, as gateways' clocks may be a minute apart. */
  currentWindow(): number {
    return Math.floor(this.#nowMs() / 60_000);
  }

  #count(window: number, subject: string): Count | undefined {
    if (Math.abs(window - this.currentWindow()) > 1) return undefined;
    let subjects = this.#windows.get(window);
    if (subjects === undefined) {
      subjects = new Map();
      this.#windows.set(window, subjects);
    }
    let count = subjects.get(subject);
    if (count === undefined) {
      if (subjects.size >= this.#maxSubjects) return undefined;
      count = { own: 0, others: 0, changed: false };
      subjects.set(subject, count);
    }
    return count;
  }

  #forgetOld(): void {
    for (const window of this.#windows.keys()) {
      if (Math.abs(window - this.currentWindow()) > 1) this.#windows.delete(window);
    }
  }
}
