import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { CairnError, toCairnError } from "../common/errors/cairn-error";
import { createApp, type WithExchange } from "./app";
import type { Exchange } from "./http/exchange";
import type { Exchanges } from "./http/exchanges";
import { parseTarget, type RawTarget } from "./http/raw-target";
import { checkFraming } from "./http/request-framing";
import type { Operation, Pipeline } from "./operations/pipeline";
import type { RestContext } from "./rest/mount";
import { routeS3, s3Operations } from "./s3/router";
import type { S3Context } from "./s3/s3-operation";

export type EntranceOptions = {
  readonly exchanges: Exchanges;
  readonly pipeline: Pipeline;
  readonly health: { live: Operation; ready: Operation; readyForAdmins: Operation };
  readonly metrics: Operation;
  readonly s3: S3Context;
  readonly rest: RestContext;
};

/**
 * Where every request comes in: parses the target once, serves S3 itself and hands what lies under the reserved
 * prefix `/_/` to Express. S3 stays out of Express because Express changes the prototype of each request and
 * response, and node:http is two to three times as slow with those (measured for HEAD; also when they are made with
 * that prototype).
 */
export function createEntrance(options: EntranceOptions): RequestListener {
  const { exchanges, pipeline, health, metrics, rest } = options;
  const s3 = new Map(s3Operations.map((operation) => [operation, asOperation(operation, options.s3)]));
  const ready = (exchange: Exchange) =>
    exchange.req.headers.authorization === undefined ? health.ready : health.readyForAdmins;
  const app = createApp({ pipeline, live: health.live, ready, metrics, rest });

  const begin = (req: IncomingMessage, res: ServerResponse) => {
    const exchange = exchanges.begin(req, res);
    try {
      checkFraming(req.rawHeaders);
      const target = parseTarget(req.url ?? "");
      exchange.target = target;
      if (target.rawPath.startsWith("/_/")) {
        (res as WithExchange).locals = { exchange };
        return app(req, res);
      }
      if (target.rawPath === "/health" && req.method === "GET" && target.query.size === 0) {
        return pipeline.run(exchange, ready(exchange));
      }
      return pipeline.run(exchange, s3Operation(req, target));
    } catch (error) {
      pipeline.refuse(exchange, toCairnError(error));
    }
  };

  function s3Operation(req: IncomingMessage, target: RawTarget): Operation {
    try {
      const operation = s3.get(routeS3(req.method ?? "", target, req.headers));
      return operation ?? refusal(new CairnError("NOT_IMPLEMENTED"));
    } catch (error) {
      return refusal(toCairnError(error));
    }
  }

  // Requests that a client sends without waiting for answers take effect in their order (RFC 9112 section 9.3.2):
  // node:http would run them all at once.
  return (req, res) => exchanges.whenAnswered(req.socket, () => void begin(req, res));
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
