import { entityTags, httpDateMs, readConditions, writeConditions } from "./conditions";

test.each([
  ['"a"', "strong", ["a"]],
  ['"a", "b,c"', "strong", ["a", "b,c"]],
  ["a", "strong", ["a"]],
  ["*", "strong", ["*"]],
  ['W/"a"', "strong", ["W/a"]],
  ['W/"a", "b"', "weak", ["a", "b"]],
  ["", "weak", [""]],
] as const)("%s compared %sly is %j", (list, comparison, tags) => {
  expect(entityTags(list, comparison)).toEqual(tags);
});

test("all three forms of HTTP dates are read, others ignored", () => {
  const ms = Date.UTC(1994, 10, 6, 8, 49, 37);
  expect(httpDateMs("Sun, 06 Nov 1994 08:49:37 GMT")).toBe(ms);
  expect(httpDateMs("Sunday, 06-Nov-94 08:49:37 GMT")).toBe(ms);
  expect(httpDateMs("Sun Nov  6 08:49:37 1994")).toBe(ms);
  expect(httpDateMs("yesterday")).toBeUndefined();
  expect(httpDateMs("1994")).toBeUndefined();
});

test("no condition is undefined, and a write may only ask that nothing be there", () => {
  expect(readConditions({})).toBeUndefined();
  expect(readConditions({ "if-modified-since": "nonsense" })).toEqual({ ifMatch: [], ifNoneMatch: [] });
  expect(writeConditions({})).toBeUndefined();
  expect(writeConditions({ "if-none-match": "*" })).toEqual({ ifMatch: [], ifNoneMatch: ["*"] });
  expect(() => writeConditions({ "if-none-match": '"a"' })).toThrow(
    expect.objectContaining({ reason: "NOT_IMPLEMENTED" }),
  );
});
