import { Agent, type IncomingHttpHeaders, request } from "node:http";

export type Answer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
};

/** What a client knows of its request afterwards. */
export type Outcome =
  /** Acknowledged. */
  | { readonly kind: "done"; readonly answer: Answer }
  /** Refused, and so without effect (I6). */
  | { readonly kind: "refused"; readonly answer: Answer }
  /** Broken off, or a 5xx: it may have happened, wholly, or not. */
  | { readonly kind: "unknown"; readonly why: string };

export type Listed = { readonly key: string; readonly etag: string; readonly sizeBytes: number };
export type Volume = {
  readonly id: string;
  readonly state: string;
  readonly blobs: number;
  readonly deleteHold: string;
};
export type NodeView = {
  readonly id: string;
  readonly address: string;
  readonly alive: boolean;
  readonly volumes: readonly Volume[];
};
export type Queues = { readonly repairs: number; readonly deletes: number; readonly purges: number };

/** A plain HTTP client with the admin's key, which never repeats a request by itself. */
export class StoreClient {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });

  constructor(
    /** Changes when an embedded store starts again on another port. */
    public url: string,
    readonly adminKey: string,
    readonly timeoutMs = 30_000,
  ) {}

  close(): void {
    this.#agent.destroy();
  }

  /** Rejects when no whole answer came. */
  send(
    method: string,
    path: string,
    options: { headers?: Record<string, string>; body?: Buffer } = {},
  ): Promise<Answer> {
    const { hostname, port } = new URL(this.url);
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          hostname,
          port,
          method,
          path,
          agent: this.#agent,
          headers: {
            authorization: `Bearer ${this.adminKey}`,
            ...(options.body === undefined ? {} : { "content-length": `${options.body.length}` }),
            ...options.headers,
          },
        },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
          incoming.on("error", reject);
          incoming.on("close", () => {
            if (!incoming.complete) return reject(new Error("the answer was cut off"));
            resolve({
              status: incoming.statusCode ?? 0,
              headers: incoming.headers,
              body: Buffer.concat(chunks),
            });
          });
        },
      );
      outgoing.setTimeout(this.timeoutMs, () => outgoing.destroy(new Error("no answer in time")));
      outgoing.on("error", reject);
      outgoing.end(options.body);
    });
  }

  async try(
    method: string,
    path: string,
    options: { headers?: Record<string, string>; body?: Buffer } = {},
  ): Promise<Outcome> {
    try {
      const answer = await this.send(method, path, options);
      if (answer.status < 300) return { kind: "done", answer };
      if (answer.status < 500) return { kind: "refused", answer };
      return { kind: "unknown", why: `${answer.status} ${answer.body.toString().slice(0, 300)}` };
    } catch (error) {
      return { kind: "unknown", why: String(error) };
    }
  }

  /** Throws unless the answer is one of these. */
  async expect(
    statuses: readonly number[],
    method: string,
    path: string,
    options: { headers?: Record<string, string>; body?: Buffer } = {},
  ): Promise<Answer> {
    const answer = await this.send(method, path, options);
    if (!statuses.includes(answer.status))
      throw new Error(`${method} ${path}: ${answer.status} ${answer.body.toString().slice(0, 500)}`);
    return answer;
  }

  /** Every object of a bucket, page by page. */
  async list(bucket: string, pageSize = 500): Promise<Listed[]> {
    const all: Listed[] = [];
    let token: string | undefined;
    do {
      const next = token === undefined ? "" : `&continuation-token=${encodeURIComponent(token)}`;
      const { body } = await this.expect([200], "GET", `/${bucket}?list-type=2&max-keys=${pageSize}${next}`);
      const page = JSON.parse(body.toString()) as {
        objects: { key: string; etag: string; sizeBytes: number }[];
        nextContinuationToken?: string;
      };
      all.push(...page.objects.map((object) => ({ ...object, etag: object.etag.replaceAll('"', "") })));
      token = page.nextContinuationToken;
    } while (token !== undefined);
    return all;
  }

  async bucketNames(): Promise<string[]> {
    const names: string[] = [];
    let after: string | null = "";
    while (after !== null) {
      const page: { buckets: { name: string }[]; next: string | null } = await this.#admin(
        `buckets?limit=1000&after=${after}`,
      );
      names.push(...page.buckets.map(({ name }) => name));
      after = page.next;
    }
    return names;
  }

  async nodes(): Promise<readonly NodeView[]> {
    return (await this.#admin<{ nodes: NodeView[] }>("nodes")).nodes;
  }

  queues(): Promise<Queues> {
    return this.#admin<Queues>("queues");
  }

  async #admin<T>(path: string): Promise<T> {
    const { body } = await this.expect([200], "GET", `/_/api/v1/${path}`);
    return JSON.parse(body.toString()) as T;
  }
}
