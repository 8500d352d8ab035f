import { parseListQuery, urlEncode } from "./list-query";

const parse = (parameters: Record<string, string>, dialect: "json" | "xml" = "xml") =>
  parseListQuery(new Map(Object.entries(parameters)), dialect);

test("XML clients get version 1 unless they ask for 2, JSON clients the other way round", () => {
  expect(parse({}).version).toBe(1);
  expect(parse({ "list-type": "2" }).version).toBe(2);
  expect(parse({}, "json").version).toBe(2);
  expect(parse({ marker: "a" }, "json").version).toBe(1);
});

test("max-keys is bounded by 1,000, and 0 is allowed", () => {
  expect(parse({ "max-keys": "5000" }).maxKeys).toBe(1000);
  expect(parse({ "max-keys": "0" }).maxKeys).toBe(0);
  expect(parse({}).maxKeys).toBe(1000);
});

test.each([
  { "max-keys": "-1" },
  { "max-keys": "x" },
  { "max-keys": "" },
  { "list-type": "3" },
  { "encoding-type": "base64" },
  { prefix: "a\0" },
  { delimiter: "d".repeat(1025) },
])("%j is refused", (parameters) => {
  expect(() => parse(parameters as unknown as Record<string, string>)).toThrow(
    expect.objectContaining({ reason: "INVALID_ARGUMENT" }),
  );
});

test("encoding-type=url can be decoded by every client", () => {
  expect(urlEncode("a b+c/é(1)*")).toBe("a%20b%2Bc/%C3%A9%281%29%2A");
});
