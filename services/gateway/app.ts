import express, { type Express, type Request, type Response } from "express";
import { CairnError, toCairnError } from "../common/errors/cairn-error";
import type { Exchange } from "./http/exchange";
import type { Exchanges } from "./http/exchanges";
import { parseTarget } from "./http/raw-target";
import { checkFraming } from "./http/request-framing";
import type { Operation, Pipeline } from "./operations/pipeline";
import { mountDocs } from "./rest/docs";
import { mountRest, type RestContext } from "./rest/mount";
import { routeS3, s3Operations } from "./s3/router";
import type { S3Context } from "./s3/s3-operation";

export type AppOptions = {
  readonly exchanges: Exchanges;
  readonly pipeline: Pipeline;
  readonly health: { live: Operation; ready: Operation; readyForAdmins: Operation };
  readonly metrics: Operation;
  readonly s3: S3Context;
  readonly rest: RestContext;
};

/** What Express carries from the first handler to the routes under `/_/`. */
export type WithExchange = Response<unknown, { exchange: Exchange }>;

/**
 * The Express app. Its first handler parses the target once and serves every S3 request itself; only what lies
 * under the reserved prefix `/_/` goes on to Express's routes.
 */
export function createApp(options: AppOptions): Express {
  const { exchanges, pipeline, health } = options;
  const app = express();
  app.disable("x-powered-by").disable("etag");
  const s3 = new Map(s3Operations.map((operation) => [operation, asOperation(operation, options.s3)]));

  const run = (operation: Operation) => (_req: Request, res: Response) =>
    pipeline.run((res as WithExchange).locals.exchange, operation);
  const ready = (exchange: Exchange) =>
    exchange.req.headers.authorization === undefined ? health.ready : health.readyForAdmins;

  // Requests that a client sends without waiting for answers take effect in their order (RFC 9112 section 9.3.2):
  // node:http would run them all at once.
  app.use((req, res, next) => exchanges.whenAnswered(req.socket, () => void begin(req, res, next)));
  const begin = (req: Request, res: Response, next: () => void) => {
    const exchange = exchanges.begin(req, res);
    try {
      checkFraming(req.rawHeaders);
      const target = parseTarget(req.url);
      exchange.target = target;
      if (target.rawPath.startsWith("/_/")) {
        (res as WithExchange).locals.exchange = exchange;
        return next();
      }
      if (target.rawPath === "/health" && req.method === "GET" && target.query.size === 0) {
        return pipeline.run(exchange, ready(exchange));
      }
      return pipeline.run(exchange, s3Operation(exchange));
    } catch (error) {
      pipeline.refuse(exchange, toCairnError(error));
    }
  };

  function s3Operation(exchange: Exchange): Operation {
    const { req, target } = exchange;
    if (target === undefined) return refusal(new CairnError("INVALID_URI"));
    try {
      const operation = s3.get(routeS3(req.method ?? "", target, req.headers));
      return operation ?? refusal(new CairnError("NOT_IMPLEMENTED"));
    } catch (error) {
      return refusal(toCairnError(error));
    }
  }

  app.get("/_/health/live", run(health.live));
  app.get("/_/health/ready", (_req, res) => {
    const { exchange } = (res as WithExchange).locals;
    return pipeline.run(exchange, ready(exchange));
  });
  app.get("/_/metrics", run(options.metrics));
  mountRest(app, options.rest, run);
  mountDocs(app, run);
  app.use((_req: Request, res: Response) => {
    pipeline.refuse(
      (res as WithExchange).locals.exchange,
      new CairnError("NOT_FOUND", { hint: "The admin API is described at /_/docs." }),
    );
  });
  app.use((error: unknown, _req: Request, res: Response, _next: () => void) => {
    // Only Express's own router throws here, for a path parameter that is no percent encoding.
    pipeline.refuse((res as WithExchange).locals.exchange, new CairnError("INVALID_URI", { cause: error }));
  });
  return app;
}

function asOperation(operation: (typeof s3Operations)[number], context: S3Context): Operation {
  return {
    name: operation.name,
    key: "required",
    limited: true,
    handle: (exchange) => operation.handle(exchange, context),
  };
}

/** What was asked for is not there to ask; said only to those who have a key, and counted. */
function refusal(error: CairnError): Operation {
  return {
    name: "Unrouted",
    key: "required",
    limited: true,
    handle: () => Promise.reject(error),
  };
}
