import type { DescMethod, Message } from "@bufbuild/protobuf";
import { type CairnError, toCairnError } from "../errors/cairn-error";
import { type Call, throwIfEnded } from "./call";
import { LocalCall } from "./local-call";
import type { AnyMethod } from "./service";
import { wholeMessage } from "./whole-message";

/**
 * A handler's messages on their way to a reader in the same process. The handler starts when the first one is asked
 * for; it is told as soon as the reader leaves or the call ends, and the reader waits no longer than the call (I8).
 */
export class ResponseStream implements AsyncIterableIterator<Message> {
  readonly #method: DescMethod;
  readonly #handler: AnyMethod;
  readonly #request: Message;
  readonly #call: Call;
  #local: LocalCall | undefined;
  #responses: AsyncIterator<Message> | undefined;
  #over = false;
  #endedBy: CairnError | undefined;
  #stopWaiting: ((reason: CairnError) => void) | undefined;
  #stopReading: (() => void) | undefined;

  constructor(method: DescMethod, handler: AnyMethod, request: Message, call: Call) {
    this.#method = method;
    this.#handler = handler;
    this.#request = request;
    this.#call = call;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** One at a time: a reader that asks again before it was answered has not stopped the writer (I7). */
  next(): Promise<IteratorResult<Message>> {
    // Not Promise.race with one promise for the whole stream: it would keep every chunk until the end.
    return new Promise((resolve, reject) => {
      if (this.#over) return resolve({ done: true, value: undefined });
      const fail = (error: unknown) => {
        this.#end();
        reject(toCairnError(error));
      };
      const pass = (next: IteratorResult<Message>) => {
        this.#stopWaiting = undefined;
        this.#stopReading = undefined;
        try {
          if (next.done !== true)
            return resolve({ done: false, value: wholeMessage(this.#method.output, next.value) });
          this.#end();
          resolve({ done: true, value: undefined });
        } catch (error) {
          fail(error);
        }
      };
      try {
        const responses = this.#responses ?? this.#start();
        if (this.#endedBy !== undefined) return fail(this.#endedBy);
        this.#stopWaiting = fail;
        this.#stopReading = () => resolve({ done: true, value: undefined });
        responses.next().then(pass, fail);
      } catch (error) {
        fail(error);
      }
    });
  }

  async return(): Promise<IteratorResult<Message>> {
    this.#stopReading?.();
    this.#end();
    return { done: true, value: undefined };
  }

  #start(): AsyncIterator<Message> {
    throwIfEnded(this.#call);
    this.#local = new LocalCall(this.#call, (reason) => {
      this.#endedBy = reason;
      this.#stopWaiting?.(reason);
    });
    const stream = this.#handler(wholeMessage(this.#method.input, this.#request), this.#local);
    this.#responses = (stream as AsyncIterable<Message>)[Symbol.asyncIterator]();
    return this.#responses;
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopWaiting = undefined;
    this.#local?.release();
    // Not awaited: a handler that ignores its signal holds nobody.
    this.#responses?.return?.()?.catch(() => {});
  }
}
