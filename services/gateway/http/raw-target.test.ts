import fc from "fast-check";
import { hasReason } from "../../common/errors/cairn-error";
import type { Reason } from "../../common/errors/table";
import { parseTarget } from "./raw-target";

function encode(text: string): string {
  return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
}

function reasonOf(url: string): Reason | undefined {
  try {
    parseTarget(url);
    return undefined;
  } catch (error) {
    if (hasReason(error, "INVALID_URI", "INVALID_KEY_NAME", "KEY_TOO_LONG")) return error.reason;
    throw error;
  }
}

test("a key comes out byte for byte as it went in, however it is spelt", () => {
  const key = fc
    .string({ unit: "binary", minLength: 1, maxLength: 200 })
    .filter((text) => !text.includes("\0") && Buffer.byteLength(text) <= 1024);
  fc.assert(
    fc.property(key, (text) => {
      expect(parseTarget(`/bucket/${encode(text)}`).key).toBe(text);
      const raw = Buffer.from(text).toString("latin1");
      if (/^[^%?#]*$/.test(raw)) expect(parseTarget(`/bucket/${raw}`).key).toBe(text);
    }),
  );
});

test.each([
  ["/b/a/../c", "a/../c"],
  ["/b/./a", "./a"],
  ["/b//a//", "/a//"],
  ["/b/a%2Fb", "a/b"],
  ["/b/a%252Fb", "a%2Fb"],
  ["/b/a+b", "a+b"],
  ["/b/a%20b%0A", "a b\n"],
  ["/b/%F0%9F%98%80", "😀"],
  ["/b/__proto__", "__proto__"],
  ["/b/%2e%2e/x", "../x"],
])("%s is the key %j", (url, key) => {
  expect(parseTarget(url)).toMatchObject({ bucket: "b", key });
});

test("root, bucket, and bucket with a slash have no key", () => {
  expect(parseTarget("/")).toMatchObject({ bucket: "", key: undefined });
  expect(parseTarget("/b?list-type=2")).toMatchObject({ bucket: "b", key: undefined });
  expect(parseTarget("/b/")).toMatchObject({ bucket: "b", key: undefined });
});

test("a query is split once, and a plus is a space in it", () => {
  const { query } = parseTarget("/b?prefix=a%26b+c%2B&delete&empty=");
  expect([...query]).toEqual([
    ["prefix", "a&b c+"],
    ["delete", ""],
    ["empty", ""],
  ]);
});

test.each([
  ["http://host/b/k", "INVALID_URI"],
  ["*", "INVALID_URI"],
  ["/b/%", "INVALID_URI"],
  ["/b/%4", "INVALID_URI"],
  ["/b/%zz", "INVALID_URI"],
  ["/b/%ff", "INVALID_URI"],
  ["/b/\xff", "INVALID_URI"],
  ["/b/%C0%80", "INVALID_URI"],
  ["/b/%ED%A0%80", "INVALID_URI"],
  ["/b/k#part", "INVALID_URI"],
  ["//b", "INVALID_URI"],
  ["/b?x=%", "INVALID_URI"],
  ["/b?x=1&x=2", "INVALID_URI"],
  ["/b/a%00b", "INVALID_KEY_NAME"],
  [`/b/${"k".repeat(1025)}`, "KEY_TOO_LONG"],
  [`/b/${"é".repeat(513).split("").map(encode).join("")}`, "KEY_TOO_LONG"],
] as const)("%s is refused with %s", (url, reason) => {
  expect(reasonOf(url)).toBe(reason);
});

test("1,024 bytes are allowed", () => {
  expect(parseTarget(`/b/${"k".repeat(1024)}`).key).toHaveLength(1024);
});
