import { Agent, type IncomingHttpHeaders, request } from "node:http";
import { connect } from "node:net";
import { pipeline, Readable } from "node:stream";

export type Body = string | Uint8Array | AsyncIterable<Uint8Array>;

export type Ask = {
  /** null sends no Authorization at all. */
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** A stream goes out in chunked coding unless its length is among the headers. */
  readonly body?: Body;
};

export type HttpAnswer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly json: any;
};

/**
 * A plain HTTP client that changes nothing: the path goes out byte for byte, no URL is parsed, no header is added
 * but Host and those of the body. With `raw` even the request line is the test's own.
 */
export class Http {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 120 });
  readonly #host: string;
  readonly #port: number;

  constructor(
    readonly url: string,
    readonly key: string | null,
  ) {
    const { hostname, port } = new URL(url);
    this.#host = hostname;
    this.#port = Number(port);
  }

  /** The same store with another key, over connections of its own. */
  as(key: string | null): Http {
    return new Http(this.url, key);
  }

  ask(method: string, path: string, { key = this.key, headers = {}, body }: Ask = {}): Promise<HttpAnswer> {
    const whole = typeof body === "string" ? Buffer.from(body) : body;
    const fields: Record<string, string | string[]> = { ...headers };
    if (key !== null && fields.authorization === undefined) fields.authorization = `Bearer ${key}`;
    if (whole instanceof Uint8Array && fields["content-length"] === undefined)
      fields["content-length"] = String(whole.length);
    return new Promise((resolve, reject) => {
      const req = request(
        { host: this.#host, port: this.#port, agent: this.#agent, method, path, headers: fields },
        (res) => {
          const chunks: Buffer[] = [];
          res.on("data", (chunk: Buffer) => chunks.push(chunk));
          res.on("error", reject);
          res.on("end", () => {
            const bytes = Buffer.concat(chunks);
            const text = () => bytes.toString("utf8");
            resolve({
              status: res.statusCode ?? 0,
              headers: res.headers,
              bytes,
              get text() {
                return text();
              },
              get json() {
                return JSON.parse(text());
              },
            });
          });
        },
      );
      req.on("error", reject);
      if (whole === undefined || whole instanceof Uint8Array) req.end(whole);
      // An answer may come before the body has gone out; only a request that failed rejects.
      else pipeline(Readable.from(whole), req, () => {});
    });
  }

  /** Sends bytes as they are on a connection of their own; answers what came until the server closed it. */
  raw(bytes: string | Uint8Array, { endAfter = false } = {}): Promise<string> {
    return new Promise((resolve, reject) => {
      let answer = "";
      const socket = connect({ host: this.#host, port: this.#port, allowHalfOpen: true }, () => {
        socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
        if (endAfter) socket.end();
      });
      socket.setEncoding("latin1");
      socket.on("data", (data: string) => {
        answer += data;
      });
      socket.on("end", () => {
        socket.destroy();
        resolve(answer);
      });
      // A server that cuts the connection after its answer has answered all the same.
      socket.on("error", (error) => (answer === "" ? reject(error) : resolve(answer)));
    });
  }

  /** A connection of its own, to be written to and cut at will. */
  socket() {
    return connect({ host: this.#host, port: this.#port });
  }

  /** The header of a raw request with this client's key, up to and without the empty line. */
  head(method: string, path: string, ...fields: string[]): string {
    const lines = [
      `${method} ${path} HTTP/1.1`,
      "Host: cairn",
      `Authorization: Bearer ${this.key}`,
      ...fields,
    ];
    return `${lines.join("\r\n")}\r\n`;
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** A key as a path carries it: every byte but RFC 3986's unreserved ones and the slash percent-encoded. */
export function encodeKey(key: string): string {
  let path = "";
  for (const byte of Buffer.from(key, "utf8")) {
    const character = String.fromCharCode(byte);
    path += /[A-Za-z0-9._~/-]/.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return path;
}

/** A parameter's value as a query carries it. */
export function encodeValue(value: string): string {
  return encodeKey(value).replaceAll("/", "%2F");
}
