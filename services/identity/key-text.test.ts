import { randomBytes } from "node:crypto";
import {
  apiKeyDigest,
  checkFirstAdminKey,
  newAccessKeyId,
  newApiKeyText,
  newSecretAccessKey,
} from "./key-text";

test("keys made are of the form that the documentation shows, and never the same", () => {
  expect(newApiKeyText(randomBytes)).toMatch(/^s3_key_[0-9a-f]{64}$/);
  expect(newAccessKeyId(randomBytes)).toMatch(/^CAIRN[A-Z2-7]{15}$/);
  expect(newSecretAccessKey(randomBytes)).toMatch(/^[A-Za-z0-9_-]{40}$/);
  expect(new Set(Array.from({ length: 100 }, () => newApiKeyText(randomBytes))).size).toBe(100);
});

test("a digest depends on the key's text and on the digest key", () => {
  const key = randomBytes(32);
  expect(apiKeyDigest(key, "a")).toBe(apiKeyDigest(key, "a"));
  expect(apiKeyDigest(key, "a")).not.toBe(apiKeyDigest(key, "b"));
  expect(apiKeyDigest(key, "a")).not.toBe(apiKeyDigest(randomBytes(32), "a"));
});

test.each([
  ["one that we made", newApiKeyText(randomBytes)],
  ["a token of one's own", "Zx8-kq_Lm3.Tv7~Rw2/Hp9+Bn4="],
])("%s is good as the first admin key", (_, text) => {
  expect(() => checkFirstAdminKey(text)).not.toThrow();
});

test.each([
  ["short", "s3_key_abc", "characters; 24 to 256"],
  ["long", "ab1c2d3e4f5g".repeat(30), "characters; 24 to 256"],
  ["of few different characters", `s3_key_${"0".repeat(64)}`, "fewer than 10 different"],
  ["with a space", "Zx8 kq Lm3 Tv7 Rw2 Hp9 Bn4", "cannot carry"],
  ["with a line end", `${newApiKeyText(randomBytes)}\n`, "cannot carry"],
  ["a placeholder", "s3_key_change-me-before-production", "placeholder"],
])("a first admin key that is %s is refused, without repeating it", (_, text, why) => {
  const check = () => checkFirstAdminKey(text);
  expect(check).toThrow(why);
  expect(check).not.toThrow(text);
});
