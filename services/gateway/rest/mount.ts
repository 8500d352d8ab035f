import { type Express, type Request, type Response, Router } from "express";
import type { z } from "zod";
import { CairnError } from "../../common/errors/cairn-error";
import { emptyAnswer, jsonAnswer } from "../answers/answer";
import { parseJson } from "../body/parse-json";
import { readSmallBody } from "../body/read-small-body";
import type { Exchange } from "../http/exchange";
import type { Operation } from "../operations/pipeline";
import { principalOf } from "../s3/s3-operation";
import type { RestContext, RestRoute } from "./route";
import { restRoutes } from "./routes";

export type { RestContext } from "./route";

/** Makes an Express handler of an operation. */
export type Run = (operation: Operation) => (req: Request, res: Response) => unknown;

const maxBodyBytes = 64 * 1024;

/** Mounts the admin API under /_/api/v1. */
export function mountRest(app: Express, context: RestContext, run: Run): void {
  const router = Router({ caseSensitive: true, strict: true });
  const paths = new Map<string, Set<string>>();
  for (const route of restRoutes) {
    const path = route.path.replace(/\{(\w+)\}/g, ":$1");
    paths.set(path, (paths.get(path) ?? new Set()).add(route.method.toUpperCase()));
    const handler = run(operationOf(route, context));
    router[route.method](path, handler);
  }
  for (const [path, methods] of paths) {
    const allow = [...methods].join(", ");
    router.all(path, run(methodNotAllowed(allow)));
  }
  app.use("/_/api/v1", router);
}

function operationOf(route: RestRoute, context: RestContext): Operation {
  return {
    name: route.name,
    key: "required",
    limited: true,
    async handle(exchange) {
      const principal = principalOf(exchange);
      const answer = await route.handle(
        {
          principal,
          call: exchange.call,
          params: route.params === undefined ? undefined : parse(route.params, paramsOf(exchange), "path"),
          query:
            route.query === undefined
              ? undefined
              : parse(route.query, Object.fromEntries(exchange.target?.query ?? []), "query"),
          body: route.body === undefined ? undefined : await bodyOf(route.body, exchange),
        },
        context,
      );
      return route.status === 204
        ? emptyAnswer(204)
        : jsonAnswer(route.status, answer, ["Cache-Control", "no-store"]);
    },
  };
}

function methodNotAllowed(allow: string): Operation {
  return {
    name: "Unrouted",
    key: "required",
    limited: true,
    handle: () => Promise.reject(new CairnError("METHOD_NOT_ALLOWED", { params: { allow } })),
  };
}

/** What Express found in the path; it has put it on the request that the exchange holds. */
function paramsOf(exchange: Exchange): unknown {
  return (exchange.req as Request).params;
}

async function bodyOf(schema: z.ZodObject, exchange: Exchange): Promise<unknown> {
  const bytes = await readSmallBody(exchange.body, maxBodyBytes);
  const value = bytes.length === 0 ? {} : parseJson(bytes);
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new CairnError("MALFORMED_JSON", { message: `The body is not valid: ${sentence(parsed.error)}` });
}

function parse(schema: z.ZodObject, value: unknown, where: "path" | "query"): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new CairnError("INVALID_ARGUMENT", {
    message: `The ${where} is not valid: ${sentence(parsed.error)}`,
  });
}

function sentence(error: z.ZodError): string {
  return error.issues
    .slice(0, 5)
    .map((issue) => (issue.path.length === 0 ? issue.message : `${issue.path.join(".")}: ${issue.message}`))
    .join("; ");
}
