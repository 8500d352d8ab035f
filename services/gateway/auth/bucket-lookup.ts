import type { BucketService } from "../../../gen/cairn/bucket/v1/bucket_pb";
import type { Bucket } from "../../../gen/cairn/common/v1/common_pb";
import { CairnError } from "../../common/errors/cairn-error";
import type { Call } from "../../common/rpc/call";
import type { ServiceClient } from "../../common/rpc/service";
import type { Clock } from "../../common/time/clock";
import { BoundedCache } from "./bounded-cache";

/**
 * Bucket rows by name. A row may be used again for a short while (P2: access decisions may be stale by at most 5 s);
 * that a bucket does not exist is never remembered. What a commit depends on is checked again by the commit.
 */
export class BucketLookup {
  readonly #buckets: ServiceClient<typeof BucketService>;
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #known: BoundedCache<Bucket>;

  constructor(options: {
    buckets: ServiceClient<typeof BucketService>;
    clock: Clock;
    ttlMs: number;
    cacheEntries: number;
  }) {
    this.#buckets = options.buckets;
    this.#clock = options.clock;
    this.#ttlMs = options.ttlMs;
    this.#known = new BoundedCache(options.cacheEntries);
  }

  /** The row, perhaps a remembered one. Errors: INVALID_BUCKET_NAME, NO_SUCH_BUCKET. */
  async find(name: string, call: Call): Promise<Bucket> {
    return this.#known.get(name, this.#clock.monotonicMs()) ?? this.fresh(name, call);
  }

  /** The row as it is now. Errors: as find. */
  async fresh(name: string, call: Call): Promise<Bucket> {
    checkBucketName(name);
    this.#known.delete(name);
    const askedAtMs = this.#clock.monotonicMs();
    const { bucket } = await this.#buckets.getBucket({ name }, call);
    if (bucket === undefined) throw new CairnError("NO_SUCH_BUCKET", { resource: name });
    this.#known.set(name, bucket, askedAtMs + this.#ttlMs);
    return bucket;
  }

  forget(name: string): void {
    this.#known.delete(name);
  }
}

/** The shape that every bucket name has; the bucket service knows the rest of the rules. Errors: INVALID_BUCKET_NAME. */
export function checkBucketName(name: string): void {
  if (/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name)) return;
  throw new CairnError("INVALID_BUCKET_NAME", {
    message: `"${name.slice(0, 63)}" is not a bucket name.`,
    resource: name.slice(0, 63),
    hint: "A name has 3 to 63 characters: lower-case letters, digits, dots and hyphens.",
  });
}
