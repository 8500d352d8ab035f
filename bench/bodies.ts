import { createCipheriv, createHash } from "node:crypto";

/** Bodies that are random to look at and the same in every run, so that what is read can be checked. */
export type Body = { readonly bytes: Buffer; readonly md5: string };

/** The body of a seed: a key stream of AES, as fast as it is incompressible. */
export function bodyOf(seed: number, sizeBytes: number): Body {
  const key = createHash("sha256").update(`cairn bench ${seed}`).digest();
  const bytes = createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes));
  return { bytes, md5: createHash("md5").update(bytes).digest("hex") };
}

/** Bodies of seeds 0 to count - 1. */
export function bodiesOf(count: number, sizeBytes: number): Body[] {
  return Array.from({ length: count }, (_, seed) => bodyOf(seed, sizeBytes));
}
