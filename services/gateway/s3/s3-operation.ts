import type { BucketService } from "../../../gen/cairn/bucket/v1/bucket_pb";
import type { Bucket } from "../../../gen/cairn/common/v1/common_pb";
import type { Principal } from "../../../gen/cairn/identity/v1/identity_pb";
import type { ObjectService } from "../../../gen/cairn/object/v1/object_pb";
import { CairnError, hasReason } from "../../common/errors/cairn-error";
import type { ServiceClient } from "../../common/rpc/service";
import type { Answer } from "../answers/answer";
import { type Access, authoriseBucketName, authoriseOwner, authorisePermission } from "../auth/authorise";
import type { BucketLookup } from "../auth/bucket-lookup";
import type { GatewayConfig } from "../config";
import type { Exchange } from "../http/exchange";
import type { ListTokens } from "./list-token";

/** What S3 operations work with. */
export type S3Context = {
  readonly buckets: ServiceClient<typeof BucketService>;
  readonly objects: ServiceClient<typeof ObjectService>;
  readonly lookup: BucketLookup;
  readonly tokens: ListTokens;
  readonly config: GatewayConfig;
};

/** One S3 operation: a row of the router's table. */
export type S3Operation = {
  /** As the API reference calls it. */
  readonly name: string;
  /** Query parameters that it understands; a request with another one is not this operation. */
  readonly query: readonly string[];
  handle(exchange: Exchange, context: S3Context): Promise<Answer>;
};

export type BucketRefInit = { bucketId: string; configVersion: bigint };

export function bucketRef(bucket: Bucket): BucketRefInit {
  return { bucketId: bucket.id, configVersion: bucket.configVersion };
}

/** The caller; the pipeline has made sure that there is one. */
export function principalOf(exchange: Exchange): Principal {
  if (exchange.principal === undefined) throw new CairnError("MISSING_KEY");
  return exchange.principal;
}

/** The request's bucket name. */
export function bucketNameOf(exchange: Exchange): string {
  return exchange.target?.bucket ?? "";
}

/** The request's key. */
export function keyOf(exchange: Exchange): string {
  return exchange.target?.key ?? "";
}

/** The bucket, if the caller may do this in it. Errors: ACCESS_DENIED, NO_SUCH_BUCKET, INVALID_BUCKET_NAME. */
export async function authorisedBucket(
  exchange: Exchange,
  context: S3Context,
  access: Access,
  name: string,
  options: { fresh: boolean } = { fresh: false },
): Promise<Bucket> {
  const principal = principalOf(exchange);
  authorisePermission(principal, access);
  authoriseBucketName(principal, name);
  const bucket = await (options.fresh
    ? context.lookup.fresh(name, exchange.call)
    : context.lookup.find(name, exchange.call));
  authoriseOwner(principal, bucket);
  return bucket;
}

/**
 * Runs `work` with the bucket that the caller may use. When it turns out that the remembered row was stale, because
 * the bucket was deleted and made anew or configured meanwhile, authorises with the row as it is now and runs `work`
 * once more; only for work that may be repeated.
 */
export async function withBucket<T>(
  exchange: Exchange,
  context: S3Context,
  access: Access,
  work: (bucket: Bucket) => Promise<T>,
): Promise<T> {
  const name = bucketNameOf(exchange);
  const bucket = await authorisedBucket(exchange, context, access, name);
  try {
    return await work(bucket);
  } catch (error) {
    if (!hasReason(error, "NO_SUCH_BUCKET", "CONFIG_CHANGED")) throw error;
    const fresh = await authorisedBucket(exchange, context, access, name, { fresh: true });
    if (fresh.id === bucket.id && fresh.configVersion === bucket.configVersion) throw error;
    return work(fresh);
  }
}
