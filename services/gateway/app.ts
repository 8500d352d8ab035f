import express, { type Express, type Request, type Response } from "express";
import { CairnError } from "../common/errors/cairn-error";
import type { Exchange } from "./http/exchange";
import type { Operation, Pipeline } from "./operations/pipeline";
import { mountDocs } from "./rest/docs";
import { mountRest, type RestContext } from "./rest/mount";

export type AppOptions = {
  readonly pipeline: Pipeline;
  readonly live: Operation;
  readonly ready: (exchange: Exchange) => Operation;
  readonly metrics: Operation;
  readonly rest: RestContext;
};

/** What Express carries to its handlers; set before the app is called. */
export type WithExchange = Response<unknown, { exchange: Exchange }>;

/** The Express app: all that lies under the reserved prefix `/_/`. */
export function createApp(options: AppOptions): Express {
  const { pipeline } = options;
  const app = express();
  app.disable("x-powered-by").disable("etag");
  const run = (operation: Operation) => (_req: Request, res: Response) =>
    pipeline.run((res as WithExchange).locals.exchange, operation);

  app.get("/_/health/live", run(options.live));
  app.get("/_/health/ready", (_req, res) => {
    const { exchange } = (res as WithExchange).locals;
    return pipeline.run(exchange, options.ready(exchange));
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
