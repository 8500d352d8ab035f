import type { Server } from "node:http";
import type { BucketService } from "../../gen/cairn/bucket/v1/bucket_pb";
import type { IdentityService } from "../../gen/cairn/identity/v1/identity_pb";
import type { ObjectService } from "../../gen/cairn/object/v1/object_pb";
import type { DependencyHealth } from "../common/lifecycle/running-service";
import type { Logger } from "../common/log/logger";
import type { Metrics } from "../common/metrics/metrics";
import type { ServiceClient } from "../common/rpc/service";
import type { Clock } from "../common/time/clock";
import { Authenticator } from "./auth/authenticate";
import { BucketLookup } from "./auth/bucket-lookup";
import type { GatewayConfig } from "./config";
import { createEntrance } from "./entrance";
import { drainServer } from "./http/drain";
import { Exchanges } from "./http/exchanges";
import { createHttpServer } from "./http/server";
import { BodyRateWatch } from "./limits/body-rate-watch";
import { RateLimiter } from "./limits/rate-limiter";
import { healthOperations } from "./operations/health";
import { metricsOperation } from "./operations/metrics";
import { RequestObserver } from "./operations/observe";
import { Pipeline } from "./operations/pipeline";
import { ListTokens } from "./s3/list-token";

export type GatewayOptions = {
  readonly identity: ServiceClient<typeof IdentityService>;
  readonly bucket: ServiceClient<typeof BucketService>;
  readonly object: ServiceClient<typeof ObjectService>;
  readonly config: GatewayConfig;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Asks everything that the store needs; shown by /_/health/ready. */
  readonly health: () => Promise<DependencyHealth[]>;
};

export type Gateway = {
  /** Not listening yet. */
  readonly server: Server;
  /** Takes no new connections and finishes what is in flight, within the grace. Idempotent. */
  drain(): Promise<void>;
  /** Drains, then releases everything. Idempotent. */
  close(): Promise<void>;
};

/** The public edge (DESIGN §10): REST over the three services that it is given, and no state of its own. */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { identity, bucket, object, config, clock, log, metrics } = options;
  let draining = false;
  const watch = new BodyRateWatch({
    minBytesPerSecond: config.minBodyRateBytesPerSecond,
    windowMs: config.bodyRateWindowMs,
    clock,
    log,
  });
  const limiter = new RateLimiter({ perMinute: config.rateLimitPerMinute, identity, clock, log });
  const authenticator = new Authenticator({ identity, clock, cacheEntries: config.cacheEntries });
  const lookup = new BucketLookup({
    buckets: bucket,
    clock,
    ttlMs: config.bucketCacheMs,
    cacheEntries: config.cacheEntries,
  });
  const exchanges = new Exchanges({
    config,
    watch,
    observer: new RequestObserver(metrics, log),
    isDraining: () => draining,
  });
  const entrance = createEntrance({
    exchanges,
    pipeline: new Pipeline(authenticator, limiter),
    health: healthOperations({ health: options.health, clock, isDraining: () => draining }),
    metrics: metricsOperation(metrics),
    s3: { buckets: bucket, objects: object, lookup, tokens: new ListTokens(identity), config },
    rest: { identity, buckets: bucket, objects: object },
  });
  const server = createHttpServer(entrance, config, {
    onBrokenBody: (socket, error) => exchanges.failBody(socket, error),
    whenAnswered: (socket, done) => exchanges.whenAnswered(socket, done),
    onExpectContinue: (req, res) => {
      exchanges.expectContinue(req);
      server.emit("request", req, res);
    },
  });
  let drained: Promise<void> | undefined;
  const drain = () => {
    draining = true;
    drained ??= drainServer(server, config.drainGraceMs);
    return drained;
  };
  return {
    server,
    drain,
    close: async () => {
      await drain();
      await Promise.all([limiter.close(), watch.close()]);
    },
  };
}
