import { type Call, endReason } from "../common/rpc/call";

/**
 * The messages of a stream, whose reader is told at once when the call ends, even while a message is awaited (I8).
 * The call's signal is asked for only when a message is not there within a turn of the event loop: the messages of a
 * small blob are, and a signal and its listener would be a good part of what its write costs.
 */
export class MessagesUntilEnd<T> {
  readonly #iterator: AsyncIterator<T>;
  readonly #call: Call;
  #giveUp: ((reason: unknown) => void) | undefined;
  #watch: "none" | "soon" | "signal" = "none";

  constructor(source: AsyncIterable<T>, call: Call) {
    this.#iterator = source[Symbol.asyncIterator]();
    this.#call = call;
  }

  /** Undefined at the end of the stream. Rejects with the reason when the call ends. */
  next(): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#watch === "signal" && this.#call.signal.aborted) return reject(endReason(this.#call.signal));
      this.#giveUp = reject;
      if (this.#watch === "none") {
        this.#watch = "soon";
        setImmediate(() => this.#listen());
      }
      this.#iterator.next().then(
        (next) => {
          this.#giveUp = undefined;
          resolve(next.done ? undefined : next.value);
        },
        (error: unknown) => {
          this.#giveUp = undefined;
          reject(error);
        },
      );
    });
  }

  #listen(): void {
    this.#watch = "none";
    if (this.#giveUp === undefined) return;
    this.#watch = "signal";
    const { signal } = this.#call;
    const end = () => this.#giveUp?.(endReason(signal));
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  }
}
