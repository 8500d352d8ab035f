import { parseCopySource } from "./copy-object";

test.each([
  ["/b/k", "b", "k"],
  ["b/k", "b", "k"],
  ["/b/a%2Fb/../c", "b", "a/b/../c"],
  ["b%2Fk", "b", "k"],
  ["/b/a+b%20c%3F", "b", "a+b c?"],
  ["b//k", "b", "/k"],
])("%s", (header, bucket, key) => {
  expect(parseCopySource(header)).toEqual({ bucket, key });
});

test.each([
  ["", "INVALID_ARGUMENT"],
  ["b", "INVALID_ARGUMENT"],
  ["/b/", "INVALID_ARGUMENT"],
  ["/b/%zz", "INVALID_URI"],
  ["/b/a%00", "INVALID_KEY_NAME"],
  ["/b/k?versionId=1", "NOT_IMPLEMENTED"],
])("%s is refused with %s", (header, reason) => {
  expect(() => parseCopySource(header)).toThrow(expect.objectContaining({ reason }));
});
