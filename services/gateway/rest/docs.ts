import type { Express } from "express";
import helmet from "helmet";
import { docsPage } from "./docs-page";
import type { Run } from "./mount";
import { openApiDocument } from "./openapi";
import { restRoutes } from "./routes";

/** `/_/openapi.json` and `/_/docs`, both without a key. They are made once: they depend on the code alone. */
export function mountDocs(app: Express, run: Run): void {
  const document = openApiDocument(restRoutes);
  const json = JSON.stringify(document);
  const page = docsPage(document);
  const serve = (name: string, contentType: string, text: string) =>
    run({
      name,
      key: "none",
      limited: true,
      handle: async () => ({
        status: 200,
        headers: ["Cache-Control", "no-cache"],
        body: { contentType, text },
      }),
    });
  app.get("/_/openapi.json", serve("OpenApi", "application/json", json));
  app.get(
    "/_/docs",
    helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: { defaultSrc: ["'none'"], styleSrc: ["'unsafe-inline'"], frameAncestors: ["'none'"] },
      },
      // Whether TLS is in front is the operator's to say.
      strictTransportSecurity: false,
    }),
    serve("Docs", "text/html; charset=utf-8", page),
  );
}
