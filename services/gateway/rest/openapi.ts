import { OpenAPIRegistry, OpenApiGeneratorV31, type RouteConfig } from "@asteasolutions/zod-to-openapi";
import type { RestRoute } from "./route";
import { errorSchema } from "./schemas";

export type OpenApiDocument = ReturnType<OpenApiGeneratorV31["generateDocument"]>;

/** The admin API as OpenAPI 3.1, made from the schemas that requests are checked with. */
export function openApiDocument(routes: readonly RestRoute[]): OpenApiDocument {
  const registry = new OpenAPIRegistry();
  const bearer = registry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    description: "An API key: s3_key_ and 64 hexadecimal digits.",
  });
  for (const route of routes) registry.registerPath(pathOf(route, bearer.name));
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: "3.1.0",
    info: {
      title: "Cairn admin API",
      version: "1.0.0",
      description:
        "Users, keys, buckets and the cluster. Objects are reached by S3's own paths, /bucket/key.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/_/api/v1" }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
  });
}

function pathOf(route: RestRoute, securityScheme: string): RouteConfig {
  const answer =
    route.answer === undefined ? {} : { content: { "application/json": { schema: route.answer } } };
  return {
    method: route.method,
    path: route.path,
    operationId: route.name,
    tags: [route.tag],
    summary: route.summary,
    description: `For: ${route.access}`,
    security: [{ [securityScheme]: [] }],
    request: {
      ...(route.params === undefined ? {} : { params: route.params }),
      ...(route.query === undefined ? {} : { query: route.query }),
      ...(route.body === undefined
        ? {}
        : { body: { required: true, content: { "application/json": { schema: route.body } } } }),
    },
    responses: {
      [route.status]: { description: route.summary, ...answer },
      default: {
        description: "An error; `code` decides, `message` and `hint` are for people.",
        content: { "application/json": { schema: errorSchema } },
      },
    },
  };
}
