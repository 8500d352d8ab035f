import { CairnError } from "../common/errors/cairn-error";
import type { Clock } from "../common/time/clock";
import { isFatalToWrites, isOutOfSpace } from "./disk";
import type { Standing } from "./standing";

/** "change" is whatever alters the medium or makes it durable. */
export type CallKind = "read" | "change";

export type DiskGateOptions = {
  readonly clock: Clock;
  readonly standing: Standing;
  /** Most calls of this volume in libuv's pool: a disk that hangs must not stop the others (P9). */
  readonly callsAtOnce: number;
  readonly suspendAfterMs: number;
  /** So many suspensions within a day fence. */
  readonly suspensionsToFence: number;
  /** When the volume was suspended before this start. */
  readonly suspendedAtMs: readonly number[];
  /** Called once, when the volume becomes fenced by what a call returned or by too many suspensions. */
  readonly onFence: (detail: string) => void;
  readonly onSuspension: () => void;
  /** Called when it opens again, with the times of its suspensions of the last day. */
  readonly onResume: (suspendedAtMs: readonly number[]) => void;
  /** Writes a little, synced. Asked when all late calls have come back. */
  readonly probe: () => Promise<void>;
};

const dayMs = 24 * 60 * 60 * 1_000;

type Asked = {
  readonly kind: CallKind;
  readonly work: () => Promise<unknown>;
  readonly took: ((ms: number) => void) | undefined;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
};

type Running = {
  readonly startMs: number;
  /** Tells a reader that its volume is suspended. */
  readonly giveUp: (() => void) | undefined;
};

/**
 * Every call to one volume's disk passes here. It limits how many run at once, knows how long each has run, and tells
 * the volume's standing what their outcomes mean (P9):
 * - a change that fails with EIO or EROFS fences at once, and no change is let through after;
 * - a call that lasts too long suspends. Readers are told at once, so that they go to another copy; writes that have
 *   begun are waited for, as a late success is a success.
 */
export class DiskGate {
  readonly #options: DiskGateOptions;
  /** By number, in order of their beginning. */
  readonly #running = new Map<number, Running>();
  readonly #waiting: Asked[] = [];
  #nextCall = 0;
  #suspendedAtMs: readonly number[];
  /** Calls with lower numbers had begun when the volume was suspended. */
  #lateBefore = 0;
  #probing = false;

  constructor(options: DiskGateOptions) {
    this.#options = options;
    this.#suspendedAtMs = options.suspendedAtMs;
  }

  /**
   * Runs one call and tells `took` how long it lasted in the disk, whatever came of it. A read rejects with
   * VOLUME_SUSPENDED when the volume becomes suspended meanwhile.
   */
  run<T>(kind: CallKind, work: () => Promise<T>, took?: (ms: number) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const asked = { kind, work, took, resolve, reject } as Asked;
      if (this.#running.size < this.#options.callsAtOnce) this.#start(asked);
      else this.#waiting.push(asked);
    });
  }

  /** How long the oldest call that has not come back has lasted; 0 when there is none. */
  get oldestCallMs(): number {
    const [oldest] = this.#running.values();
    return oldest === undefined ? 0 : this.#options.clock.monotonicMs() - oldest.startMs;
  }

  /** Lets nobody wait for reads any more: the volume closes. */
  close(): void {
    for (const { giveUp } of this.#running.values()) giveUp?.();
    for (const waiting of this.#waiting.splice(0)) waiting.reject(new CairnError("SHUTTING_DOWN"));
  }

  /** To be called several times within `suspendAfterMs`. */
  tick(): void {
    const { standing, suspendAfterMs } = this.#options;
    if (!standing.isSuspended) {
      if (this.oldestCallMs > suspendAfterMs) this.#suspend();
      return;
    }
    const [oldestCall] = this.#running.keys();
    const lateCallsAreBack = oldestCall === undefined || oldestCall >= this.#lateBefore;
    if (lateCallsAreBack && !this.#probing) void this.#probe();
  }

  /** No promise but the disk's own and the caller's: small blobs are a matter of microseconds. */
  #start({ kind, work, took, resolve, reject }: Asked): void {
    const { clock, standing } = this.#options;
    if (kind === "change" && standing.isFenced) {
      reject(standing.fencedError());
      return;
    }
    const call = this.#nextCall++;
    const startMs = clock.monotonicMs();
    const giveUp = kind === "read" ? () => reject(standing.suspendedError()) : undefined;
    this.#running.set(call, { startMs, giveUp });
    const end = () => {
      this.#running.delete(call);
      took?.(clock.monotonicMs() - startMs);
      if (this.#waiting.length > 0) this.#startWaiting();
    };
    work().then(
      (value) => {
        end();
        resolve(value);
      },
      (error: unknown) => {
        if (kind === "change") this.#judge(error);
        end();
        reject(error);
      },
    );
  }

  #startWaiting(): void {
    // One that is refused takes no place, so the next is asked too.
    while (this.#running.size < this.#options.callsAtOnce) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#start(next);
    }
  }

  #judge(error: unknown): void {
    const { standing } = this.#options;
    const text = error instanceof Error ? error.message : String(error);
    if (isFatalToWrites(error)) this.#fence(`a write or sync failed: ${text}`);
    else if (isOutOfSpace(error)) standing.setFull(`the disk has no room: ${text}`);
  }

  #fence(detail: string): void {
    if (this.#options.standing.fence(detail)) this.#options.onFence(detail);
  }

  #suspend(): void {
    const { clock, standing, suspendAfterMs, suspensionsToFence } = this.#options;
    const nowMs = clock.nowMs();
    this.#suspendedAtMs = [...this.#suspendedAtMs, nowMs].filter((atMs) => atMs > nowMs - dayMs);
    this.#lateBefore = this.#nextCall;
    standing.suspend(`a call to the disk has lasted more than ${suspendAfterMs} ms`);
    this.#options.onSuspension();
    for (const { giveUp } of this.#running.values()) giveUp?.();
    const stillWaiting = this.#waiting.splice(0);
    for (const waiting of stillWaiting) {
      if (waiting.kind === "read") waiting.reject(standing.suspendedError());
      else this.#waiting.push(waiting);
    }
    const suspensions = this.#suspendedAtMs.length;
    if (suspensions >= suspensionsToFence) this.#fence(`the disk hung ${suspensions} times within a day`);
  }

  async #probe(): Promise<void> {
    const { clock, standing, suspendAfterMs } = this.#options;
    this.#probing = true;
    const startMs = clock.monotonicMs();
    try {
      // A fenced disk is not written to; it may be read again when its calls have come back.
      if (!standing.isFenced) await this.#options.probe();
      if (clock.monotonicMs() - startMs > suspendAfterMs) return;
      standing.resume();
      if (!standing.isFenced) this.#options.onResume(this.#suspendedAtMs);
    } catch {
      // Its failure has been judged; a disk that failed otherwise is asked again at the next tick.
    } finally {
      this.#probing = false;
    }
  }
}
