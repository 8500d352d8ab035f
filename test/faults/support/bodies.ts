import { createHash, randomBytes } from "node:crypto";
import type { Random } from "./random";

const KiB = 1024;
const MiB = 1024 * KiB;
/** Bytes to cut bodies from: making fresh random ones for each body would be most of the load. */
const pool = randomBytes(9 * MiB);

/** A body that no other has: its first bytes are a number of its own. */
export type Body = { readonly bytes: Buffer; readonly md5: string };

/** Most bodies are small, as in life; some are empty, some are several MiB and so cross every buffer's border. */
export function makeBody(random: Random, serial: string): Body {
  const kind = random.next();
  const sizeBytes =
    kind < 0.02
      ? 0
      : kind < 0.7
        ? random.whole(8 * KiB)
        : kind < 0.93
          ? 64 * KiB + random.whole(448 * KiB)
          : MiB + random.whole(5 * MiB);
  return bodyOf(sizeBytes, random, serial);
}

export function bodyOf(sizeBytes: number, random: Random, serial: string): Body {
  if (sizeBytes === 0) return { bytes: Buffer.alloc(0), md5: md5Of(Buffer.alloc(0)) };
  const at = random.whole(pool.length - Math.min(sizeBytes, pool.length) + 1);
  const mark = Buffer.from(`${serial};`);
  const rest = pool.subarray(at, at + Math.max(0, sizeBytes - mark.length));
  const bytes = Buffer.concat([mark, rest]);
  return { bytes, md5: md5Of(bytes) };
}

export function md5Of(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}
