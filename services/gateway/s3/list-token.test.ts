import fc from "fast-check";
import { openToken, sealToken } from "./list-token";

const key = Buffer.alloc(32, 7);
const listing = { bucketId: "b", prefix: "p/", delimiter: "/" };
const invalid = expect.objectContaining({ reason: "INVALID_TOKEN" });

test("a token gives back where the listing goes on", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 1 }), (after) => {
      expect(openToken(key, listing, sealToken(key, listing, after))).toBe(after);
    }),
  );
});

test("a token of another listing or key is refused", () => {
  const token = sealToken(key, listing, "after");
  for (const other of [
    { ...listing, bucketId: "c" },
    { ...listing, prefix: "" },
    { ...listing, delimiter: "" },
    { ...listing, prefix: "p", delimiter: "//" },
  ]) {
    expect(() => openToken(key, other, token)).toThrow(invalid);
  }
  expect(() => openToken(Buffer.alloc(32, 8), listing, token)).toThrow(invalid);
});

test("whatever is changed in a token, and whatever is made by hand, is refused", () => {
  const token = sealToken(key, listing, "after");
  for (let i = 0; i < token.length; i++) {
    const changed = token.slice(0, i) + (token[i] === "A" ? "B" : "A") + token.slice(i + 1);
    expect(() => openToken(key, listing, changed)).toThrow(invalid);
  }
  for (const made of ["", "a", "after", Buffer.from("after").toString("base64url"), `${token}=`]) {
    expect(() => openToken(key, listing, made)).toThrow(invalid);
  }
});
