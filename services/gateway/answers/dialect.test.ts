import { dialectOf } from "./dialect";

test.each([
  [undefined, "Bearer x", "/b", "json"],
  ["*/*", "bearer x", "/b", "json"],
  ["*/*", undefined, "/b", "xml"],
  [undefined, "AWS4-HMAC-SHA256 x", "/b", "xml"],
  ["application/xml", "Bearer x", "/b", "xml"],
  ["text/xml, application/json", "Bearer x", "/b", "xml"],
  ["application/json", undefined, "/b", "json"],
  [undefined, undefined, "/_/api/v1/users", "json"],
] as const)("Accept %s with %s at %s is answered in %s", (accept, authorization, path, dialect) => {
  expect(dialectOf(accept, authorization, path)).toBe(dialect);
});
