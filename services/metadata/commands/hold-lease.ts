import { done } from "../commit/batch";
import type { Handler } from "../commit/handler";
import { refuse } from "../commit/refusal";
import { chunked } from "../store/chunked";

/** Keeps blobs from condemnation (P6); the same id again moves the end. A blob condemned before is SOURCE_GONE. */
export const holdLease: Handler<"holdLease"> = {
  rows: (change) => change.blobIds.length,
  blobs: (_batch, change, wanted) => {
    for (const blobId of change.blobIds) wanted.blobs.add(blobId);
  },
  decide: async (batch, change, stamp) => {
    const blobIds = [...new Set(change.blobIds)];
    for (const chunk of chunked(blobIds, 500)) {
      const rows = await batch.db
        .selectFrom("blobs")
        .select("blob_id")
        .where("blob_id", "in", chunk)
        .execute();
      if (rows.length < chunk.length)
        return refuse("SOURCE_GONE", { message: "A blob to be leased has been condemned." });
    }
    await batch.db.deleteFrom("leases").where("lease_id", "=", change.leaseId).execute();
    const expiresAtMs = stamp.atMs + Number(change.ttlMs);
    for (const chunk of chunked(blobIds, 500))
      await batch.db
        .insertInto("leases")
        .values(
          chunk.map((blobId) => ({
            lease_id: change.leaseId,
            blob_id: blobId,
            expires_at_ms: expiresAtMs,
          })),
        )
        .execute();
    return done;
  },
};
