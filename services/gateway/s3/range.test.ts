import { parseRange } from "./range";

test.each([
  ["bytes=0-9", { case: "firstLast", value: { first: 0n, last: 9n } }],
  ["Bytes=5-", { case: "firstLast", value: { first: 5n } }],
  ["bytes=-5", { case: "suffixBytes", value: 5n }],
  ["bytes=-0", { case: "suffixBytes", value: 0n }],
  ["bytes=99999999999999999999-", { case: "firstLast", value: { first: 2n ** 64n - 1n } }],
])("%s is understood", (header, range) => {
  expect(parseRange(header)).toEqual({ range });
});

test.each([undefined, "bytes=", "bytes=-", "bytes=9-0", "bytes=a-b", "items=0-1", "bytes=0-1,5-6"])(
  "%s is ignored",
  (header) => {
    expect(parseRange(header)).toBeUndefined();
  },
);
