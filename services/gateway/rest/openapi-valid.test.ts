import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { openApiDocument } from "./openapi";
import { restRoutes } from "./routes";

// The validator is an ES module, which jest does not load: its own command is asked instead.
const validator = join(
  dirname(require.resolve("@seriousme/openapi-schema-validator/package.json")),
  "bin/validate-api-cli.js",
);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cairn-openapi-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What the official JSON schema of OpenAPI 3.1 says of a document. */
async function validate(document: unknown): Promise<{ valid: boolean; errors?: unknown }> {
  const path = join(folder, "openapi.json");
  await writeFile(path, JSON.stringify(document));
  const { stdout } = await promisify(execFile)(process.execPath, [validator, path]).catch(
    (error: { stdout?: string }) => {
      if (!error.stdout) throw error;
      return { stdout: error.stdout };
    },
  );
  return JSON.parse(stdout);
}

test("the admin API's document is valid OpenAPI 3.1", async () => {
  const document = openApiDocument(restRoutes);
  expect(document.openapi).toMatch(/^3\.1\./);
  expect(await validate(document)).toEqual({ valid: true });
});

describe("a broken document is refused", () => {
  const broken: Record<string, (document: ReturnType<typeof openApiDocument>) => unknown> = {
    "without a title": (document) => ({ ...document, info: { version: "1.0.0" } }),
    "with a parameter in no place": (document) => ({
      ...document,
      paths: { "/x": { get: { parameters: [{ name: "a", in: "nowhere", schema: {} }], responses: {} } } },
    }),
    "with an answer that has no description": (document) => ({
      ...document,
      paths: { "/x": { get: { responses: { 200: { content: {} } } } } },
    }),
    "with a path that does not begin with a slash": (document) => ({
      ...document,
      paths: { x: { get: { responses: { 200: { description: "ok" } } } } },
    }),
  };
  test.each(Object.keys(broken))("%s", async (name) => {
    const result = await validate(broken[name]?.(openApiDocument(restRoutes)));
    expect(result.valid).toBe(false);
    expect(JSON.stringify(result.errors)).not.toBe("[]");
  });
});

test("every operation has an id of its own, and every parameter of a path is declared", () => {
  const ids = new Set(restRoutes.map(({ name }) => name));
  expect(ids.size).toBe(restRoutes.length);
  for (const { path, params } of restRoutes) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    expect(Object.keys(params?.shape ?? {})).toEqual(named);
  }
});
