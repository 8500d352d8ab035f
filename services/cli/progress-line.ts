import type { Clock } from "../common/time/clock";

/** Where progress is shown: a terminal rewrites its line, anything else gets one now and then. */
export type ProgressTarget = {
  readonly isTTY?: boolean | undefined;
  write(text: string): unknown;
};

const terminalMs = 200;
const logMs = 10_000;

/** Shows how far long work is, with its rate and what remains. */
export class ProgressLine {
  readonly #label: string;
  readonly #target: ProgressTarget;
  readonly #clock: Clock;
  readonly #startMs: number;
  #shownMs = Number.NEGATIVE_INFINITY;
  #isOpen = false;
  #isDone = false;

  constructor(label: string, target: ProgressTarget, clock: Clock) {
    this.#label = label;
    this.#target = target;
    this.#clock = clock;
    this.#startMs = clock.monotonicMs();
  }

  /** Cheap when it is not yet time to show anything. */
  bytes(done: number, total: number): void {
    const nowMs = this.#clock.monotonicMs();
    const isEnd = done >= total;
    if (isEnd ? this.#isDone : nowMs - this.#shownMs < (this.#target.isTTY ? terminalMs : logMs)) return;
    this.#isDone = isEnd;
    this.#write(describeProgress(done, total, nowMs - this.#startMs), nowMs);
  }

  /** What another process tells of its progress; `isEnd` is shown whether or not it is time. */
  told(text: string, isEnd: boolean): void {
    const nowMs = this.#clock.monotonicMs();
    if (isEnd || nowMs - this.#shownMs >= (this.#target.isTTY ? terminalMs : logMs)) this.#write(text, nowMs);
  }

  #write(progress: string, nowMs: number): void {
    this.#shownMs = nowMs;
    const text = `${this.#label}: ${progress}`;
    this.#target.write(this.#target.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
    this.#isOpen = this.#target.isTTY === true;
  }

  /** Leaves a terminal's line, so that what follows stands on its own. */
  end(): void {
    if (this.#isOpen) this.#target.write("\n");
    this.#isOpen = false;
  }
}

/** As "1.5 GiB of 3.0 GiB (50 %), 300 MiB/s, 5 s left". */
export function describeProgress(done: number, total: number, tookMs: number): string {
  const share = total === 0 ? 100 : Math.floor((done / total) * 100);
  const perSecond = tookMs > 0 ? done / (tookMs / 1000) : 0;
  const left = perSecond > 0 && done < total ? `, ${duration((total - done) / perSecond)} left` : "";
  return `${size(done)} of ${size(total)} (${share} %), ${size(perSecond)}/s${left}`;
}

/** As "150 of 300 copies (50 %), 30.0/s, 5 s left". */
export function describeCopies(done: number, total: number, tookMs: number): string {
  const share = total === 0 ? 100 : Math.floor((done / total) * 100);
  const perSecond = tookMs > 0 ? done / (tookMs / 1000) : 0;
  const left = perSecond > 0 && done < total ? `, ${duration((total - done) / perSecond)} left` : "";
  return `${done} of ${total} copies (${share} %), ${perSecond.toFixed(1)}/s${left}`;
}

function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3_600).toFixed(1)} h`;
}
