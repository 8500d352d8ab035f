import { CairnError } from "../errors/cairn-error";
import { EndController, type EndSignal } from "../lifecycle/end-signal";
import { type Call, callOver, endReason } from "./call";

/**
 * The call that a handler in this process gets: its caller's, with a signal of its own that ends with the call, as
 * over the wire. The signal is made when a handler first asks for it, since most never do and it is the dearest part
 * of a call that takes microseconds.
 */
export class LocalCall implements Call {
  readonly requestId: string;
  readonly traceparent: string;
  readonly deadlineAtMs: number | undefined;
  readonly #parent: EndSignal;
  readonly #onEnd: (reason: CairnError) => void;
  readonly #timer: NodeJS.Timeout | undefined;
  #own: EndController | undefined;
  #ended: CairnError | undefined;

  /** `onEnd` hears once when the caller leaves or the deadline passes; not when the call is released. */
  constructor(parent: Call, onEnd: (reason: CairnError) => void) {
    this.requestId = parent.requestId;
    this.traceparent = parent.traceparent;
    this.deadlineAtMs = parent.deadlineAtMs;
    this.#parent = parent.signal;
    this.#onEnd = onEnd;
    this.#parent.addEventListener("abort", this, { once: true });
    if (this.deadlineAtMs !== undefined) {
      const leftMs = this.deadlineAtMs - performance.now();
      this.#timer = setTimeout(() => this.#end(new CairnError("DEADLINE_EXCEEDED")), leftMs);
    }
  }

  get signal(): EndSignal {
    if (this.#own === undefined) {
      this.#own = new EndController();
      if (this.#ended !== undefined) this.#own.abort(this.#ended);
    }
    return this.#own.signal;
  }

  /** Hears the caller's signal; the object itself is the listener, which costs no closure. */
  handleEvent(): void {
    this.#end(endReason(this.#parent));
  }

  /** The call is over: whatever still hangs on its signal is let go. */
  release(): void {
    clearTimeout(this.#timer);
    this.#parent.removeEventListener("abort", this);
    if (this.#ended !== undefined) return;
    this.#ended = callOver;
    this.#own?.abort(callOver);
  }

  #end(reason: CairnError): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#own?.abort(reason);
    this.#onEnd(reason);
  }
}
