import { createHmac } from "node:crypto";
import { CairnError } from "../common/errors/cairn-error";
import type { Random } from "./seal";

/** A new Bearer key: `s3_key_` and 64 hexadecimal digits, 256 random bits. */
export function newApiKeyText(random: Random): string {
  return `s3_key_${random(32).toString("hex")}`;
}

/** What is stored of a Bearer key (I9), and what it is found by. */
export function apiKeyDigest(digestKey: Buffer, text: string): string {
  return createHmac("sha256", digestKey).update(text).digest("hex");
}

const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** A new access key id: 20 characters like AWS's, with our own prefix; 75 random bits. Not secret. */
export function newAccessKeyId(random: Random): string {
  return `CAIRN${Array.from(random(15), (byte) => base32[byte % 32]).join("")}`;
}

/** A new secret access key: 40 characters of base64url, 240 random bits; it needs no quoting anywhere. */
export function newSecretAccessKey(random: Random): string {
  return random(30).toString("base64url");
}

const shortest = 24;
const longest = 256;
const fewestDifferent = 10;
/** RFC 6750 section 2.1, b68token: what an Authorization header can carry. */
const bearerToken = /^[A-Za-z0-9\-._~+/]+=*$/;
const wellKnown = /changeme|change-me|password|example|your[-_]|minioadmin|secret[-_]?key|1234567890/i;

/**
 * Refuses a first admin key that could be guessed or that no header can carry. Good is any Bearer token of 24 to 256
 * characters with at least 10 different ones (after `s3_key_`, if it begins so) that does not contain a placeholder of
 * documentation. Throws INVALID_ARGUMENT, never with the key in it.
 */
export function checkFirstAdminKey(text: string): void {
  const own = text.startsWith("s3_key_") ? text.slice("s3_key_".length) : text;
  if (text.length < shortest || text.length > longest) {
    throw weak(`it has ${text.length} characters; ${shortest} to ${longest} are needed`);
  }
  if (!bearerToken.test(text)) throw weak("it has characters that an Authorization header cannot carry");
  if (new Set(own).size < fewestDifferent)
    throw weak(`it has fewer than ${fewestDifferent} different characters`);
  if (wellKnown.test(text)) throw weak("it contains a well-known placeholder");
}

function weak(why: string): CairnError {
  return new CairnError("INVALID_ARGUMENT", {
    message: `The first admin key (ADMIN_API_KEY) is refused: ${why}.`,
    hint: "Leave it out to have one made, or make one: echo s3_key_$(openssl rand -hex 32)",
  });
}
