import { createCipheriv, createDecipheriv } from "node:crypto";

const version = 1;
const nonceBytes = 12;
const tagBytes = 16;

/** Random bytes, passed in. */
export type Random = (bytes: number) => Buffer;

/**
 * Encrypts under a key of 32 bytes with AES-256-GCM: base64 of version, nonce, tag, ciphertext. `place` says where it
 * lies and is authenticated with it, so that one row's value cannot be moved into another.
 */
export function seal(key: Buffer, place: string, plain: Buffer, random: Random): string {
  const nonce = random(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.from(place));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([Buffer.of(version), nonce, cipher.getAuthTag(), body]).toString("base64");
}

/** What was sealed, or undefined when it was sealed under another key, for another place, or was changed. */
export function unseal(key: Buffer, place: string, sealed: string): Buffer | undefined {
  const bytes = Buffer.from(sealed, "base64");
  if (bytes[0] !== version || bytes.length < 1 + nonceBytes + tagBytes) return undefined;
  const nonce = bytes.subarray(1, 1 + nonceBytes);
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(place));
  decipher.setAuthTag(bytes.subarray(1 + nonceBytes, 1 + nonceBytes + tagBytes));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(1 + nonceBytes + tagBytes)), decipher.final()]);
  } catch {
    return undefined;
  }
}
