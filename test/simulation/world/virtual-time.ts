import nodeCrypto from "node:crypto";
import type { Random } from "../../faults/support/random";

type Event = { readonly atMs: number; readonly order: number; readonly run: () => void; cancelled: boolean };

/** What a timer is to who set it. */
export type Timer = { cancel(): void };

const realSetImmediate = setImmediate;

/**
 * The one clock and the one queue of events of a simulation. Everything that waits for time, a disk or the network
 * is an event here; between two events all microtasks run to their end, so that the order of everything follows
 * from the seed alone.
 */
export class VirtualTime {
  readonly epochMs: number;
  #nowMs = 0;
  #order = 0;
  #events = 0;
  readonly #heap: Event[] = [];

  constructor(epochMs: number) {
    this.epochMs = epochMs;
  }

  /** Milliseconds since the simulation's start. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events so far; grows with each, so that it tells "before" from "after". */
  get events(): number {
    return this.#events;
  }

  after(delayMs: number, run: () => void): Timer {
    const event: Event = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      order: this.#order++,
      run,
      cancelled: false,
    };
    this.#push(event);
    return {
      cancel: () => {
        event.cancelled = true;
      },
    };
  }

  /** Runs events until `done`. Throws when nothing is left to happen, or after `mostEvents`. */
  async runUntil(done: () => boolean, mostEvents: number): Promise<void> {
    await microtasks();
    const limit = this.#events + mostEvents;
    while (!done()) {
      const event = this.#pop();
      if (event === undefined) throw new Error("nothing is left to happen, and the run is not over");
      if (event.cancelled) continue;
      if (this.#events >= limit) throw new Error(`the run is not over after ${mostEvents} events`);
      this.#events += 1;
      this.#nowMs = event.atMs;
      event.run();
      await microtasks();
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent] as Event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    while (true) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!isBefore(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** Resolves when every promise that could go on has gone on. */
function microtasks(): Promise<void> {
  return new Promise((resolve) => realSetImmediate(resolve));
}

let current: { time: VirtualTime; random: Random } | undefined;

/**
 * From now on this process's clocks, timers and randomness are the simulation's. Production code gets `Clock`, `Disk`
 * and transports passed in; this catches what lies below them (deadlines of calls, metrics, random ids), and whatever
 * somebody forgot to pass in, which then is simulated too instead of breaking the replay.
 */
export function install(time: VirtualTime, random: Random): void {
  const first = current === undefined;
  current = { time, random };
  if (first) installOnce();
}

function installOnce(): void {
  const now = () => current as NonNullable<typeof current>;
  Date.now = () => now().time.epochMs + Math.floor(now().time.nowMs);
  performance.now = () => now().time.nowMs;
  Math.random = () => now().random.next();
  const timer = (run: () => void, delayMs = 0) => {
    const { cancel } = now().time.after(Number(delayMs), run);
    const handle = {
      cancel,
      unref: () => handle,
      ref: () => handle,
      hasRef: () => false,
      refresh: () => handle,
    };
    return handle;
  };
  const clear = (handle: { cancel?: () => void } | undefined) => handle?.cancel?.();
  const replaced = {
    setTimeout: (run: (...args: unknown[]) => void, delayMs?: number, ...args: unknown[]) =>
      timer(() => run(...args), delayMs),
    clearTimeout: clear,
    setImmediate: (run: (...args: unknown[]) => void, ...args: unknown[]) => timer(() => run(...args)),
    clearImmediate: clear,
    setInterval: () => {
      throw new Error("nothing here may run at an interval");
    },
  };
  Object.assign(globalThis, replaced);
  const fill = <T extends ArrayBufferView>(into: T): T => {
    const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
    for (let at = 0; at < bytes.length; at++) bytes[at] = now().random.whole(256);
    return into;
  };
  Object.assign(nodeCrypto, {
    randomBytes: (size: number) => fill(Buffer.alloc(size)),
    randomFillSync: fill,
    randomInt: (below: number) => now().random.whole(below),
  });
}
