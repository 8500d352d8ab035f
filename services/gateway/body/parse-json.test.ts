import { parseJson } from "./parse-json";

const malformed = expect.objectContaining({ reason: "MALFORMED_JSON" });

test("JSON is read, brackets within strings do not count", () => {
  expect(parseJson(Buffer.from(`{"a":["${"[".repeat(100)}\\"["]}`))).toEqual({ a: [`${"[".repeat(100)}"[`] });
});

test.each([
  ["broken", "{"],
  ["too deep", `${"[".repeat(17)}${"]".repeat(17)}`],
  ["__proto__", '{"a":{"__proto__":{"admin":true}}}'],
  ["__proto__ in disguise", '{"\\u005f_proto__":1}'],
])("%s is refused", (_name, text) => {
  expect(() => parseJson(Buffer.from(text))).toThrow(malformed);
});

test("invalid UTF-8 is refused", () => {
  expect(() => parseJson(Buffer.from([0x22, 0xff, 0x22]))).toThrow(malformed);
});
