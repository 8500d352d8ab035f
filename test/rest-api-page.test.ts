import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openApiDocument } from "../services/gateway/rest/openapi";
import { restRoutes } from "../services/gateway/rest/routes";
import { s3Operations } from "../services/gateway/s3/router";

const page = readFileSync(join(__dirname, "../docs/rest-api.md"), "utf8");

test("every operation of the router has a section, with every query parameter that it understands", () => {
  for (const { name, query } of s3Operations) {
    const section = new RegExp(`^### ${name} – [\\s\\S]*?(?=^##)`, "m").exec(page)?.[0];
    expect({ name, documented: section !== undefined }).toEqual({ name, documented: true });
    // HEAD's are GET's.
    if (name === "HeadObject") continue;
    for (const parameter of query) {
      const short = parameter.replace(/^response(?=-)/, "");
      expect({ name, parameter, documented: section?.includes(short) }).toMatchObject({ documented: true });
    }
  }
});

test("no section is of an operation that is not there", () => {
  const sections = [...page.matchAll(/^### (\w+) – /gm)].map(([, name]) => name);
  expect(sections.sort()).toEqual(s3Operations.map(({ name }) => name).sort());
});

test("every route of the OpenAPI document has a row, and every row a route", () => {
  const [, table = ""] = /^## Admin API$([\s\S]*?)^## /m.exec(page) ?? [];
  const rows = [...table.matchAll(/^\| (\w+) \| `([A-Z]+) ([^?`]+)/gm)].map(
    ([, name, method, path]) => `${name} ${method} ${path}`,
  );
  const routes = Object.entries(openApiDocument(restRoutes).paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Record<string, { operationId: string }>).map(
      ([method, { operationId }]) => `${operationId} ${method.toUpperCase()} ${path}`,
    ),
  );
  expect(rows.sort()).toEqual(routes.sort());
});
