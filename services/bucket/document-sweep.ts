import { hasReason } from "../common/errors/cairn-error";
import { newCall } from "../common/rpc/call";
import type { Database } from "../common/sql/database";
import type { Clock } from "../common/time/clock";
import type { Buckets } from "./buckets";
import { DocumentStore } from "./document-store";
import type { BucketTables } from "./tables";

/** How long a bucket must have been missing before its documents go. */
export const missingGraceMs = 7 * 24 * 60 * 60 * 1_000;
const bucketsAStep = 100;

/**
 * Finds documents that a deletion left behind: of a bucket that was deleted while one was being written, or by a
 * process that died in between. They are served to nobody meanwhile.
 *
 * A metadata database restored from the past does not know buckets that are there (P7), so a bucket must have been
 * missing for a week, and an answer that is not plainly NO_SUCH_BUCKET counts for nothing.
 */
export class DocumentSweep {
  readonly #database: Database<BucketTables>;
  readonly #buckets: Buckets;
  readonly #clock: Clock;
  #after = "";

  constructor(database: Database<BucketTables>, buckets: Buckets, clock: Clock) {
    this.#database = database;
    this.#buckets = buckets;
    this.#clock = clock;
  }

  /** Looks at some buckets. True when more are left in this round. */
  async step(signal: AbortSignal): Promise<boolean> {
    const read = new DocumentStore(this.#database.db, this.#database.kind);
    const some = await read.bucketsAfter(this.#after, bucketsAStep);
    for (const { bucketId, missingSinceMs } of some) {
      const there = await this.#isThere(bucketId, signal);
      const nowMs = this.#clock.nowMs();
      await this.#database.transaction(async (trx) => {
        const store = new DocumentStore(trx, this.#database.kind);
        if (there && missingSinceMs > 0) await store.setMissingSince(bucketId, 0);
        if (!there && missingSinceMs === 0) await store.setMissingSince(bucketId, nowMs);
        if (!there && missingSinceMs > 0 && nowMs - missingSinceMs >= missingGraceMs)
          await store.removeBucket(bucketId);
      });
      this.#after = bucketId;
    }
    const more = some.length === bucketsAStep;
    if (!more) this.#after = "";
    return more;
  }

  async #isThere(bucketId: string, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#buckets.get({ case: "bucketId", value: bucketId }, newCall({ signal, timeoutMs: 10_000 }));
      return true;
    } catch (error) {
      if (hasReason(error, "NO_SUCH_BUCKET")) return false;
      throw error;
    }
  }
}
