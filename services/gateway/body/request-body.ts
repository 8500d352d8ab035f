import type { IncomingMessage, ServerResponse } from "node:http";
import { CairnError } from "../../common/errors/cairn-error";
import type { BodyRateWatch, WatchedBody } from "../limits/body-rate-watch";

export type BodyLimits = {
  /** The largest object body. */
  readonly maxBytes: number;
  readonly watch: BodyRateWatch;
};

/** Above this much waiting for a slow reader, the socket is no longer read (I7). */
const highWaterBytes = 1024 * 1024;

/** The longest chunk that the contracts carry. */
const maxChunkBytes = 1024 * 1024;

/**
 * A request's body, pulled chunk by chunk as it came from the socket. Nothing is read, and no 100 Continue sent,
 * before the first chunk is asked for: what is refused costs no byte.
 */
export class RequestBody implements WatchedBody {
  /** Content-Length; undefined for chunked bodies and when there is none. */
  readonly declaredBytes: number | undefined;
  readonly chunked: boolean;
  receivedBytes = 0;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #limits: BodyLimits;
  #expectsContinue: boolean;
  #maxBytes: number;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #started = false;
  #ended = false;
  #failure: CairnError | undefined;
  #broken = false;
  #wake: (() => void) | undefined;

  constructor(req: IncomingMessage, res: ServerResponse, limits: BodyLimits, expectsContinue: boolean) {
    this.#req = req;
    this.#res = res;
    this.#limits = limits;
    this.#maxBytes = limits.maxBytes;
    this.#expectsContinue = expectsContinue;
    const length = req.headers["content-length"];
    this.declaredBytes = length === undefined ? undefined : Number(length);
    this.chunked = req.headers["transfer-encoding"] !== undefined;
  }

  /** True when the request has a body of which something is unread. */
  get unread(): boolean {
    return !this.#ended && !this.#req.complete && (this.chunked || (this.declaredBytes ?? 0) > 0);
  }

  /** True when the client holds its body back until it is told to send. */
  get heldBack(): boolean {
    return this.#expectsContinue && !this.#started;
  }

  /** True when nothing more can come: the connection is of no use after the answer. */
  get broken(): boolean {
    return this.#broken;
  }

  /** True while a reader waits for the client. */
  get waiting(): boolean {
    return this.#wake !== undefined;
  }

  /** Lowers the limit for this request. */
  limit(maxBytes: number): void {
    this.#maxBytes = Math.min(maxBytes, this.#maxBytes);
  }

  /**
   * The next `leastBytes` of the body or more, at most 1 MiB; less only at its end, then undefined. Without a least
   * size: a chunk as it came from the socket.
   * Errors: SIZE_MISMATCH, ENTITY_TOO_LARGE, BODY_TOO_SLOW, CLIENT_GONE, INVALID_REQUEST (bad chunked coding).
   */
  async next(leastBytes = 1): Promise<Buffer | undefined> {
    this.#start();
    while (true) {
      if (this.#queuedBytes >= leastBytes || (this.#ended && this.#queuedBytes > 0))
        return this.#take(leastBytes);
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Chunks from the queue until there are enough; several are joined by one copy. */
  #take(leastBytes: number): Buffer {
    const taken: Buffer[] = [];
    let bytes = 0;
    for (let chunk = this.#queue[0]; chunk !== undefined && bytes < leastBytes; chunk = this.#queue[0]) {
      if (bytes > 0 && bytes + chunk.length > maxChunkBytes) break;
      taken.push(chunk);
      bytes += chunk.length;
      this.#queue.shift();
    }
    this.#queuedBytes -= bytes;
    if (this.#queuedBytes < highWaterBytes / 2 && this.#req.isPaused()) this.#req.resume();
    return taken.length === 1 ? (taken[0] as Buffer) : Buffer.concat(taken, bytes);
  }

  /** Ends the body with an error: its reader gets it, whatever is queued is dropped. The first failure counts. */
  fail(error: CairnError): void {
    if (this.#ended || this.#failure !== undefined) return;
    this.#failure = error;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#leave();
  }

  /** Ends the body with an error after which the connection cannot be read any more. */
  breakOff(error: CairnError): void {
    this.#broken = true;
    this.fail(error);
  }

  /** Reads and drops the rest, at most `maxBytes` of it; calls `done` when it is over. */
  discard(maxBytes: number, timeoutMs: number, done: () => void): void {
    this.#leave();
    const req = this.#req;
    let dropped = 0;
    const finish = () => {
      clearTimeout(timer);
      req.off("data", drop).off("end", finish).off("close", finish);
      done();
    };
    const drop = (chunk: Buffer) => {
      dropped += chunk.length;
      if (dropped > maxBytes) finish();
    };
    const timer = setTimeout(finish, timeoutMs);
    req.on("error", () => {});
    req.on("data", drop).on("end", finish).on("close", finish).resume();
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    if (this.#failure !== undefined) return;
    if ((this.declaredBytes ?? 0) > this.#maxBytes) {
      this.fail(tooLarge(this.#maxBytes));
      return;
    }
    if (this.#expectsContinue) this.#res.writeContinue();
    this.#req
      .on("data", this.#onData)
      .on("end", this.#onEnd)
      .on("error", this.#onGone)
      .on("close", this.#onGone);
    this.#limits.watch.add(this);
  }

  readonly #onData = (chunk: Buffer) => {
    this.receivedBytes += chunk.length;
    if (this.receivedBytes > this.#maxBytes) return this.fail(tooLarge(this.#maxBytes));
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.length;
    if (this.#queuedBytes >= highWaterBytes) this.#req.pause();
    this.#wakeUp();
  };

  readonly #onEnd = () => {
    this.#ended = true;
    this.#leave();
  };

  readonly #onGone = () =>
    this.fail(new CairnError("CLIENT_GONE", { message: "The client went away before its body ended." }));

  #leave(): void {
    this.#limits.watch.remove(this);
    this.#req.off("data", this.#onData).off("end", this.#onEnd).off("close", this.#onGone);
    if (!this.#ended) this.#req.pause();
    this.#wakeUp();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

function tooLarge(maxBytes: number): CairnError {
  return new CairnError("ENTITY_TOO_LARGE", {
    message: `The body is longer than the ${maxBytes} bytes that are allowed.`,
  });
}
