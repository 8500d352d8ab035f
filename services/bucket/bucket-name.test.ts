import fc from "fast-check";
import { bucketNameProblem } from "./bucket-name";

test.each([
  "abc",
  "a1b",
  "123",
  "my.bucket-1",
  "a--b",
  "a.b.c",
  "1.2.3",
  "1.2.3.4.5",
  "1.2.3.a",
  "healthy",
  "xn-fine",
  "s3alias",
  "a".repeat(63),
])("%s is a good name", (name) => {
  expect(bucketNameProblem(name)).toBeUndefined();
});

test.each([
  ["", "length"],
  ["ab", "length"],
  ["a".repeat(64), "length"],
  ["Abc", "characters"],
  ["a_b", "characters"],
  ["a b c", "characters"],
  ["bücher", "characters"],
  ["a/b", "characters"],
  ["abc\n", "characters"],
  ["-abc", "ends"],
  ["abc-", "ends"],
  [".abc", "ends"],
  ["abc.", "ends"],
  ["a..b", "adjacent-dots"],
  ["192.168.5.4", "ip-address"],
  ["999.999.999.999", "ip-address"],
  ["xn--abc", "reserved-prefix"],
  ["sthree-abc", "reserved-prefix"],
  ["sthree-configurator", "reserved-prefix"],
  ["amzn-s3-demo-bucket", "reserved-prefix"],
  ["abc-s3alias", "reserved-suffix"],
  ["abc--ol-s3", "reserved-suffix"],
  ["abc.mrap", "reserved-suffix"],
  ["abc--x-s3", "reserved-suffix"],
  ["abc--table-s3", "reserved-suffix"],
  ["health", "reserved"],
])("%j breaks the rule %s", (name, rule) => {
  expect(bucketNameProblem(name)?.rule).toBe(rule);
});

test("a good name is a good DNS label sequence, whatever was typed", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-c0-1.-]{1,66}$/), (name) => {
      if (bucketNameProblem(name) !== undefined) return;
      expect(name).toMatch(/^(?=.{3,63}$)[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)*$/);
      expect(name).not.toMatch(/[.-]$/);
    }),
  );
});
