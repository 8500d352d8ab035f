/** What the edge is told at start. Every field has a default in `gatewayDefaults`. */
export type GatewayConfig = {
  /** Requests a minute and address, for callers without a quota of their own (DESIGN §10). 0 is no limit. 100 */
  readonly rateLimitPerMinute: number;
  /** How many proxies in front are trusted to append to X-Forwarded-For. 0 takes the socket's address. 0 */
  readonly trustedProxies: number;
  /** The largest object body, in bytes. 5 TiB */
  readonly maxBodyBytes: number;
  /** The rate below which an upload is given up, averaged over `bodyRateWindowMs`. 1,024 */
  readonly minBodyRateBytesPerSecond: number;
  /** How long the client of an upload may stay below the rate. 20,000 */
  readonly bodyRateWindowMs: number;
  /** How long a connection may move no byte in either direction during a request. 300,000 */
  readonly idleSocketMs: number;
  /** How long a request's header may take. 30,000 */
  readonly headersTimeoutMs: number;
  /** How long an unused connection is kept. 75,000: longer than usual load balancers keep theirs. */
  readonly keepAliveTimeoutMs: number;
  /** The largest request header in bytes: a key of 1,024 bytes, percent-encoded, and 2 KiB of metadata fit. 16,384 */
  readonly maxHeaderBytes: number;
  /** How long drain() waits for requests in flight before connections are cut. 30,000 */
  readonly drainGraceMs: number;
  /** How long a looked-up bucket row may be used; access decisions may be stale by at most 5 s (P2). 2,000 */
  readonly bucketCacheMs: number;
  /** The most buckets and, apart from them, keys that are remembered. 10,000 */
  readonly cacheEntries: number;
  /** What x-amz-bucket-region says. us-east-1 */
  readonly region: string;
};

const kib = 1024;
const tib = kib ** 4;

export const gatewayDefaults: GatewayConfig = {
  rateLimitPerMinute: 100,
  trustedProxies: 0,
  maxBodyBytes: 5 * tib,
  minBodyRateBytesPerSecond: 1024,
  bodyRateWindowMs: 20_000,
  idleSocketMs: 300_000,
  headersTimeoutMs: 30_000,
  keepAliveTimeoutMs: 75_000,
  maxHeaderBytes: 16 * kib,
  drainGraceMs: 30_000,
  bucketCacheMs: 2_000,
  cacheEntries: 10_000,
  region: "us-east-1",
};
