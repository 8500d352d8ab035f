import { fromPool } from "./random-pool";

/** `bytes` random bytes (at most 256) as hexadecimal digits. */
export function randomHex(bytes: number): string {
  return fromPool(bytes).toString("hex");
}
