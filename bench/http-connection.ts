import { connect, type Socket } from "node:net";

/**
 * A keep-alive HTTP/1.1 client over one socket that does as little as possible: on two cores the client must not be
 * what is measured. It sends one request at a time and reads answers with Content-Length only; answers in chunked
 * coding are an error, since nothing that is measured here has one.
 */
export type Request = {
  /** Request line and header fields with the empty line, as `requestHead` makes them. */
  readonly head: string;
  readonly body?: Buffer;
  /** The answer has a Content-Length but no body. */
  readonly isHead?: boolean;
};

export type Response = {
  readonly status: number;
  /** Status line and header fields, as they came. */
  readonly head: string;
  readonly bodyBytes: number;
};

/** Takes the parts of an answer's body as they come. A part is valid during the call only. */
export type BodySink = (part: Buffer, offsetBytes: number) => void;

/** One buffer for all reads of a connection: an answer of 64 MiB makes no garbage. */
const defaultReadBufferBytes = 512 * 1024;
const endOfHead = Buffer.from("\r\n\r\n");

type Waiting = {
  readonly request: Request;
  readonly sink: BodySink;
  resolve(response: Response): void;
  reject(error: Error): void;
};

/** The head of a request. `bodyBytes` of undefined sends no Content-Length. */
export function requestHead(
  method: string,
  path: string,
  options: {
    host: string;
    fields?: Readonly<Record<string, string>>;
    bodyBytes?: number | undefined;
    accept?: string | undefined;
  },
): string {
  const { host, fields = {}, bodyBytes, accept } = options;
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  if (accept !== undefined) lines.push(`Accept: ${accept}\r\n`);
  if (bodyBytes !== undefined) lines.push(`Content-Length: ${bodyBytes}\r\n`);
  return `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${lines.join("")}\r\n`;
}

export class HttpConnection {
  readonly #socket: Socket;
  #waiting: Waiting | undefined;
  #head: Buffer = Buffer.alloc(0);
  #response: { status: number; head: string; length: number; received: number } | undefined;
  #failed: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Rejects when nobody listens. */
  static open(url: URL, readBufferBytes = defaultReadBufferBytes): Promise<HttpConnection> {
    return new Promise((resolve, reject) => {
      let connection: HttpConnection | undefined;
      const socket = connect({
        host: url.hostname.replace(/^\[|\]$/g, ""),
        port: Number(url.port || 80),
        noDelay: true,
        onread: {
          buffer: Buffer.allocUnsafe(readBufferBytes),
          callback: (length, buffer) => {
            connection?.read(Buffer.from(buffer.buffer, buffer.byteOffset, length));
            return true;
          },
        },
      });
      socket.once("error", reject);
      socket.once("connect", () => {
        connection = new HttpConnection(socket);
        socket.off("error", reject);
        socket.on("error", (error) => connection?.fail(error));
        socket.on("close", () => connection?.fail(new Error("The connection was closed.")));
        resolve(connection);
      });
    });
  }

  /** Rejects when the connection breaks or the answer cannot be read; the connection is of no use then. */
  send(request: Request, sink: BodySink): Promise<Response> {
    return new Promise((resolve, reject) => {
      if (this.#failed !== undefined) return reject(this.#failed);
      if (this.#waiting !== undefined) return reject(new Error("A request is already under way."));
      this.#waiting = { request, sink, resolve, reject };
      const { head, body } = request;
      if (body === undefined) {
        this.#socket.write(head, "latin1");
        return;
      }
      this.#socket.cork();
      this.#socket.write(head, "latin1");
      this.#socket.write(body);
      this.#socket.uncork();
    });
  }

  /** True once it is of no use any more, whoever ended it. */
  get isClosed(): boolean {
    return this.#failed !== undefined;
  }

  close(): void {
    this.#failed ??= new Error("The connection was closed by its owner.");
    this.#socket.destroy();
  }

  read(data: Buffer): void {
    const wrong = this.#take(data);
    if (wrong !== undefined) this.fail(new Error(wrong));
  }

  /** Takes what came; answers what is wrong with it. */
  #take(data: Buffer): string | undefined {
    const waiting = this.#waiting;
    if (waiting === undefined) return "An answer came that nobody had asked for.";
    let part = data;
    if (this.#response === undefined) {
      const all = this.#head.length === 0 ? part : Buffer.concat([this.#head, part]);
      const end = all.indexOf(endOfHead);
      if (end === -1) {
        // The read buffer is used again for the next read.
        this.#head = Buffer.from(all);
        return undefined;
      }
      this.#head = Buffer.alloc(0);
      const head = all.toString("latin1", 0, end + 2);
      const status = Number(head.slice(9, 12));
      const length = waiting.request.isHead || status === 204 || status === 304 ? 0 : lengthOf(head);
      if (length === undefined) return `An answer without Content-Length:\n${head}`;
      this.#response = { status, head, length, received: 0 };
      part = all.subarray(end + 4);
    }
    const response = this.#response;
    if (part.length > 0) {
      waiting.sink(part, response.received);
      response.received += part.length;
    }
    if (response.received > response.length) return "The answer is longer than it says.";
    if (response.received < response.length) return undefined;
    this.#response = undefined;
    this.#waiting = undefined;
    waiting.resolve({ status: response.status, head: response.head, bodyBytes: response.received });
    return undefined;
  }

  fail(error: Error): void {
    this.#failed ??= error;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.#socket.destroy();
    waiting?.reject(error);
  }
}

function lengthOf(head: string): number | undefined {
  const [, digits] = /\r\ncontent-length: *(\d+)\r\n/i.exec(head) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/** A header field of an answer. */
export function fieldOf(response: Response, name: string): string | undefined {
  return new RegExp(`\\r\\n${name}: *([^\\r]*)\\r\\n`, "i").exec(response.head)?.[1];
}
