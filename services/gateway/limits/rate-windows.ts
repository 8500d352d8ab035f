/** One subject's count in one minute, as ReportRates carries it. */
export type RateCount = { readonly subject: string; readonly window: bigint; readonly requests: number };

type Count = { own: number; reported: number; elsewhere: number; toAsk: boolean };

const minuteMs = 60_000;
const maxSubjects = 100_000;
const maxReported = 10_000;

/**
 * Requests counted in windows of one minute: what this gateway saw, and what all others saw as of the last report.
 * Counting touches memory alone; reports travel each second (DESIGN §10). At most 100,000 subjects are held, the
 * one that came longest ago goes first.
 */
export class RateWindows {
  #window = 0;
  #counts = new Map<string, Count>();

  /** Counts one request and answers how many there were in this minute, this one included. */
  add(subject: string, nowMs: number): number {
    this.#roll(nowMs);
    let count = this.#counts.get(subject);
    if (count === undefined) {
      count = { own: 0, reported: 0, elsewhere: 0, toAsk: false };
      if (this.#counts.size >= maxSubjects) {
        const oldest = this.#counts.keys().next().value;
        if (oldest !== undefined) this.#counts.delete(oldest);
      }
      this.#counts.set(subject, count);
    }
    count.own += 1;
    return count.own + count.elsewhere;
  }

  /**
   * What was counted since the last report. It counts as reported even if the report is lost: sums are approximate.
   * Each subject is in one more report, with nothing new: what other gateways counted in the same second reaches
   * this one too, although its own callers pause.
   */
  takeReport(nowMs: number): RateCount[] {
    this.#roll(nowMs);
    const report: RateCount[] = [];
    for (const [subject, count] of this.#counts) {
      const requests = count.own - count.reported;
      if (requests === 0 && !count.toAsk) continue;
      report.push({ subject, window: BigInt(this.#window), requests });
      count.toAsk = requests > 0;
      count.reported = count.own;
      if (report.length === maxReported) break;
    }
    return report;
  }

  /** Takes in the sums over all gateways that a report was answered with. */
  takeSums(sums: readonly RateCount[]): void {
    for (const sum of sums) {
      const count = this.#counts.get(sum.subject);
      if (count === undefined || Number(sum.window) !== this.#window) continue;
      count.elsewhere = Math.max(0, sum.requests - count.reported);
    }
  }

  #roll(nowMs: number): void {
    const window = Math.floor(nowMs / minuteMs);
    if (window === this.#window) return;
    this.#window = window;
    this.#counts = new Map();
  }
}

/** Whole seconds until the window ends, at least 1. */
export function secondsToReset(nowMs: number): number {
  return Math.max(1, Math.ceil((minuteMs - (nowMs % minuteMs)) / 1000));
}
