import type { Body } from "./bodies";
import { fieldOf, HttpConnection, type Request, type Response } from "./http-connection";
import { percentile } from "./percentiles";

/** What an answer must be. Whatever differs counts as an error, never as an operation. */
export type Expected = {
  readonly status: number;
  /** The body, compared byte for byte as it comes. */
  readonly body?: Buffer;
  /** For answers without `body`: its text must hold this. */
  readonly text?: string;
  /** The ETag that the answer must carry, without quotes. */
  readonly etag?: string;
};

export type Step = { readonly request: Request; readonly expected: Expected };

export type LoadOptions = {
  readonly url: URL;
  /** Connections, each with one request at a time: the next begins when the answer is there (closed loop). */
  readonly concurrency: number;
  /** Of each connection; smaller where there are thousands. */
  readonly readBufferBytes?: number;
  /** Not counted; begins when all connections are open. */
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** Ends the measurement earlier: at this many counted operations. */
  readonly maxOperations?: number;
  /** What worker `worker` does as its `index`-th request. */
  step(worker: number, index: number): Step;
};

export type LoadResult = {
  readonly operations: number;
  /** All that were answered right, those of the warm-up too. */
  readonly requests: number;
  readonly errors: number;
  /** The first thing that was wrong. */
  readonly firstError: string | undefined;
  readonly seconds: number;
  readonly perSecond: number;
  /** Bodies sent and received. */
  readonly bytesPerSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
};

/** After this many errors a load gives up: what it would measure is worth nothing. */
const maxErrors = 100;

/** Drives a server and checks every answer. Rejects when no connection can be made. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const latenciesMs: number[] = [];
  let bytes = 0;
  let requests = 0;
  let errors = 0;
  let firstError: string | undefined;
  let lastEndMs = 0;
  const open = () => HttpConnection.open(options.url, options.readBufferBytes);
  const connections = await openConnections(options.concurrency, open);
  const startedMs = performance.now() + options.warmUpMs;
  const untilMs = startedMs + options.durationMs;
  const isOver = () =>
    performance.now() >= untilMs ||
    errors >= maxErrors ||
    latenciesMs.length >= (options.maxOperations ?? Number.POSITIVE_INFINITY);

  const work = async (first: HttpConnection, worker: number) => {
    let connection = first;
    for (let index = 0; !isOver(); index += 1) {
      const { request, expected } = options.step(worker, index);
      const beganMs = performance.now();
      let wrong: string | undefined;
      let response: Response | undefined;
      try {
        const check = new AnswerCheck(expected);
        response = await connection.send(request, check.sink);
        wrong = check.verdict(response);
      } catch (error) {
        wrong = error instanceof Error ? error.message : String(error);
        connection.close();
        connection = await open();
      }
      const endedMs = performance.now();
      if (wrong === undefined) requests += 1;
      if (wrong !== undefined) {
        errors += 1;
        firstError ??= `${request.head.slice(0, request.head.indexOf("\r\n"))}: ${wrong}`;
      } else if (beganMs >= startedMs) {
        latenciesMs.push(endedMs - beganMs);
        bytes += (request.body?.length ?? 0) + (response?.bodyBytes ?? 0);
        lastEndMs = Math.max(lastEndMs, endedMs);
      }
    }
    connection.close();
  };
  await Promise.all(connections.map(work));

  const seconds = Math.max(lastEndMs - startedMs, 1) / 1000;
  return {
    operations: latenciesMs.length,
    requests,
    errors,
    firstError,
    seconds,
    perSecond: latenciesMs.length / seconds,
    bytesPerSecond: bytes / seconds,
    p50Ms: percentile(latenciesMs, 0.5),
    p95Ms: percentile(latenciesMs, 0.95),
    p99Ms: percentile(latenciesMs, 0.99),
  };
}

/** As many at once as a server's queue of new connections holds: what does not fit in is tried again after a second. */
const opensAtOnce = 100;

/** Rejects, with none left open, when one cannot be opened. */
export async function openConnections(
  count: number,
  open: () => Promise<HttpConnection>,
): Promise<HttpConnection[]> {
  const opened: HttpConnection[] = [];
  try {
    while (opened.length < count) {
      const many = Math.min(opensAtOnce, count - opened.length);
      opened.push(...(await Promise.all(Array.from({ length: many }, open))));
    }
    return opened;
  } catch (error) {
    for (const connection of opened) connection.close();
    throw error;
  }
}

/** One request on a connection of its own, checked like those of a load. Rejects with what was wrong. */
export async function once(url: URL, step: Step): Promise<void> {
  const connection = await HttpConnection.open(url);
  try {
    const check = new AnswerCheck(step.expected);
    const wrong = check.verdict(await connection.send(step.request, check.sink));
    if (wrong !== undefined) {
      throw new Error(`${step.request.head.slice(0, step.request.head.indexOf("\r\n"))}: ${wrong}`);
    }
  } finally {
    connection.close();
  }
}

/** What a write of this body must answer: its MD5 as the ETag. */
export function stored(body: Body): Expected {
  return { status: 200, etag: body.md5 };
}

const maxTextBytes = 4 * 1024 * 1024;

class AnswerCheck {
  readonly #expected: Expected;
  readonly #texts: string[] = [];
  #textBytes = 0;
  #differsAt: number | undefined;

  constructor(expected: Expected) {
    this.#expected = expected;
  }

  readonly sink = (part: Buffer, offset: number): void => {
    const { body } = this.#expected;
    if (body === undefined) {
      this.#textBytes += part.length;
      if (this.#textBytes <= maxTextBytes) this.#texts.push(part.toString("latin1"));
      return;
    }
    if (this.#differsAt !== undefined) return;
    const end = offset + part.length;
    if (end <= body.length && part.compare(body, offset, end) === 0) return;
    this.#differsAt = offset;
    this.#texts.push(part.toString("latin1", 0, 300));
  };

  verdict(response: Response): string | undefined {
    const { status, body, text, etag } = this.#expected;
    if (response.status !== status) {
      return `expected status ${status}, got ${response.status} ${this.#texts.join("").slice(0, 300)}`;
    }
    if (this.#differsAt !== undefined) return `the body differs within the part at byte ${this.#differsAt}`;
    if (body !== undefined && response.bodyBytes !== body.length) {
      return `expected a body of ${body.length} bytes, got ${response.bodyBytes}`;
    }
    if (etag !== undefined && fieldOf(response, "etag") !== `"${etag}"`) {
      return `expected the ETag "${etag}", got ${fieldOf(response, "etag")}`;
    }
    if (text !== undefined && !this.#texts.join("").includes(text)) {
      return `the answer lacks ${text}: ${this.#texts.join("").slice(0, 300)}`;
    }
    return undefined;
  }
}
