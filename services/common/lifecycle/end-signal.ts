type Listener = (() => void) | { handleEvent(): void };

/**
 * As much of an AbortSignal as those need who wait for the end of something; every AbortSignal is one. A request
 * makes a dozen, and the platform's own costs several microseconds each to make, to hear and to leave.
 */
export type EndSignal = {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: Listener, options?: { once: boolean }): void;
  removeEventListener(type: "abort", listener: Listener): void;
};

/** What an AbortController is to an AbortSignal: ends its signal once, for a reason. */
export class EndController {
  readonly signal: EndSignal;
  readonly #own = new OwnSignal();

  constructor() {
    this.signal = this.#own;
  }

  /** Only the first reason counts. */
  abort(reason: unknown): void {
    this.#own.end(reason);
  }
}

class OwnSignal implements EndSignal {
  aborted = false;
  reason: unknown;
  /** Few listen to one signal, and most leave in the order in which they came. */
  #listeners: Listener[] = [];

  addEventListener(_type: "abort", listener: Listener): void {
    if (!this.aborted && !this.#listeners.includes(listener)) this.#listeners.push(listener);
  }

  removeEventListener(_type: "abort", listener: Listener): void {
    const index = this.#listeners.indexOf(listener);
    if (index !== -1) this.#listeners.splice(index, 1);
  }

  end(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) {
      if (typeof listener === "function") listener();
      else listener.handleEvent();
    }
  }
}
