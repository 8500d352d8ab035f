import { createHash } from "node:crypto";
import type { Random } from "../faults/support/random";

export type Body = { readonly bytes: Buffer; readonly etag: string };

/** Bodies of one run: no two are alike in any sixteen bytes, so that no mix-up of bytes goes unseen. */
export class Bodies {
  readonly byEtag = new Map<string, Body>();
  readonly #random: Random;
  #made = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  make(): Body {
    const random = this.#random;
    const kind = random.next();
    const sizeBytes =
      kind < 0.04
        ? 0
        : kind < 0.75
          ? 1 + random.whole(3_000)
          : kind < 0.94
            ? 7_000 + random.whole(30_000)
            : 60_000 + random.whole(180_000);
    const number = ++this.#made;
    const bytes = Buffer.alloc(sizeBytes);
    for (let at = 0; at + 8 <= sizeBytes; at += 8) {
      bytes.writeUInt32LE(number, at);
      bytes.writeUInt32LE(at ^ 0x5a17_0000, at + 4);
    }
    bytes.fill(number & 0xff, sizeBytes - (sizeBytes % 8));
    const etag = createHash("md5").update(bytes).digest("hex");
    const body = { bytes, etag };
    this.byEtag.set(etag, body);
    return body;
  }
}
