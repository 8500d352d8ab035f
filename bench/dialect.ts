import { requestHead } from "./http-connection";

/** How a target's clients say who they are: the only difference between what several targets are asked. */
export type Dialect = {
  /** Line and header fields of a request to `host`; `path` with its query, as it stands on the wire. */
  head(method: string, host: string, path: string, options?: HeadOptions): string;
  /** False for a target that keeps names without buckets. */
  readonly hasBuckets: boolean;
};

export type HeadOptions = {
  /** Undefined sends no Content-Length. */
  readonly bodyBytes?: number;
  /** A kind of answer to ask for. */
  readonly accept?: string;
};

/** Without any credentials: the floor. */
export const unsigned: Dialect = {
  head: (method, host, path, options = {}) => requestHead(method, path, { host, ...options }),
  hasBuckets: false,
};

/** With an API key of Cairn. */
export function bearer(key: string): Dialect {
  const authorization = `Bearer ${key}`;
  return {
    head: (method, host, path, options = {}) =>
      requestHead(method, path, { host, fields: { Authorization: authorization }, ...options }),
    hasBuckets: true,
  };
}
