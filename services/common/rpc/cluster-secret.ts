import { createHash, timingSafeEqual } from "node:crypto";
import type { PeerCheck } from "./grpc-server";

/** The fewest characters of a cluster secret: 32 random bytes in base64 without padding are 43, in hex 64. */
const leastLength = 32;

/** Says why a secret is too weak to guard a cluster, or nothing. Never repeats it (I9). */
export function weaknessOfSecret(secret: string): string | undefined {
  if (Buffer.byteLength(secret) < leastLength) return `it is shorter than ${leastLength} bytes`;
  if (new Set(secret).size < 10) return "it repeats fewer than 10 different characters";
  if (/changeme|change-me|example|password|secret|default|placeholder|your[-_]/i.test(secret))
    return "it looks like an example";
  return undefined;
}

/** Compares what a peer sent with the cluster's secret, in constant time whatever its length. */
export function peerCheckOf(clusterSecret: string): PeerCheck {
  const expected = digest(`Bearer ${clusterSecret}`);
  return (authorization) => authorization !== undefined && timingSafeEqual(digest(authorization), expected);
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
