import type { Batch } from "../commit/batch";
import type { Handler } from "../commit/handler";
import { chunked } from "../store/chunked";
import type { BlobRow, CopyRow } from "../store/tables";

/** Hands out due repairs; each comes again after its visibility has passed. */
export const takeRepairs: Handler<"takeRepairs"> = {
  blobs: async (batch, change, wanted) => {
    for (const blobId of await due(batch, change)) wanted.blobs.add(blobId);
  },
  decide: async (batch, change, stamp) => {
    const candidates = await due(batch, change);
    const tasks = [];
    for (const chunk of chunked(candidates, 200)) {
      const taken = await batch.db
        .updateTable("repair_queue")
        .set((eb) => ({
          due_at_ms: batch.nowMs + Number(change.visibilityMs),
          attempts: eb("attempts", "+", 1),
          given_number: eb.fn.coalesce("given_number", eb.val(stamp.number)),
        }))
        .where("blob_id", "in", chunk)
        .where("due_at_ms", "<=", batch.nowMs)
        .returning(["blob_id", "attempts"])
        .execute();
      const { blobs, copies } = await describe(batch, chunk);
      for (const { blob_id, attempts } of taken) {
        const blob = blobs.get(blob_id);
        if (blob === undefined) continue;
        const mine = copies.filter((copy) => copy.blob_id === blob_id);
        tasks.push({
          blobId: blob_id,
          sizeBytes: BigInt(blob.size_bytes),
          crc32c: blob.crc32c,
          copies: mine.map((copy) => ({
            blobId: blob_id,
            volumeId: copy.volume_id,
            state: copy.state,
          })),
          attempts,
        });
      }
    }
    return { keep: tasks.length > 0, result: { case: "repairs", value: { tasks } } };
  },
};

function due(batch: Batch, change: { limit: number }): Promise<string[]> {
  return batch.plan(change, async () => {
    const rows = await batch.db
      .selectFrom("repair_queue")
      .select("blob_id")
      .where("due_at_ms", "<=", batch.nowMs)
      .orderBy("due_at_ms")
      .limit(change.limit)
      .execute();
    return rows.map((row) => row.blob_id);
  });
}

async function describe(batch: Batch, blobIds: readonly string[]) {
  const blobs: BlobRow[] = await batch.db
    .selectFrom("blobs")
    .selectAll()
    .where("blob_id", "in", blobIds)
    .execute();
  const copies: CopyRow[] = await batch.db
    .selectFrom("copies")
    .selectAll()
    .where("blob_id", "in", blobIds)
    .orderBy("blob_id")
    .orderBy("volume_id")
    .execute();
  return { blobs: new Map(blobs.map((blob) => [blob.blob_id, blob])), copies };
}
