import { CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { Batch } from "../commit/batch";
import { type Pair, queueDeletes, queueRepair } from "../commit/blobs";
import type { Handler } from "../commit/handler";
import { chunked } from "../store/chunked";
import type { DeleteRow } from "../store/tables";

/** A whole blob counts as this many pairs against the limit: the copies that a blob has. */
const pairsOfBlob = 3;

/**
 * Condemns what is due, has no extent and no lease, and hands it out (P6). The blobs' rows are held, so nothing can
 * begin to need one between the proof and the condemnation (I4).
 */
export const takeDeletes: Handler<"takeDeletes"> = {
  blobs: async (batch, change, wanted) => {
    for (const entry of await due(batch, change)) wanted.blobs.add(entry.blob_id);
  },
  decide: async (batch, change) => {
    const visibleAtMs = batch.nowMs + Number(change.visibilityMs);
    const pairs: Pair[] = [];
    for (const chunk of chunked(await due(batch, change), 200)) {
      const entries = await stillDue(batch, chunk);
      const blobIds = [...new Set(entries.map((entry) => entry.blob_id))];
      if (blobIds.length === 0) continue;
      const leased = await leasedUntil(batch, blobIds);
      for (const entry of entries) {
        const until = leased.get(entry.blob_id);
        if (until !== undefined)
          await queueDeletes(batch, [{ blobId: entry.blob_id, volumeId: entry.volume_id }], until);
      }
      const free = entries.filter((entry) => !leased.has(entry.blob_id));
      const wholes = free.filter((entry) => entry.volume_id === "").map((entry) => entry.blob_id);
      pairs.push(...(await condemnBlobs(batch, wholes, visibleAtMs)));
      const condemned = new Set(pairs.map((pair) => pair.blobId));
      for (const entry of free)
        if (entry.volume_id !== "" && !condemned.has(entry.blob_id))
          pairs.push(...(await condemnPair(batch, entry, visibleAtMs)));
    }
    return { keep: pairs.length > 0, result: { case: "deletes", value: { pairs } } };
  },
};

function due(batch: Batch, change: { limit: number }): Promise<DeleteRow[]> {
  return batch.plan(change, async () => {
    const rows = await batch.db
      .selectFrom("delete_queue")
      .selectAll()
      .where("due_at_ms", "<=", batch.nowMs)
      .orderBy("due_at_ms")
      .limit(change.limit)
      .execute();
    let pairs = 0;
    return rows.filter((row, index) => {
      pairs += row.volume_id === "" ? pairsOfBlob : 1;
      return index === 0 || pairs <= change.limit;
    });
  });
}

/** The entries as they are under the locks: another process may have taken them meanwhile. */
async function stillDue(batch: Batch, entries: readonly DeleteRow[]): Promise<DeleteRow[]> {
  const rows = await batch.db
    .selectFrom("delete_queue")
    .selectAll()
    .where("due_at_ms", "<=", batch.nowMs)
    .where(
      "blob_id",
      "in",
      entries.map((entry) => entry.blob_id),
    )
    .execute();
  const wanted = new Set(entries.map((entry) => `${entry.blob_id}/${entry.volume_id}`));
  return rows.filter((row) => wanted.has(`${row.blob_id}/${row.volume_id}`));
}

async function leasedUntil(batch: Batch, blobIds: readonly string[]): Promise<Map<string, number>> {
  const rows = await batch.db
    .selectFrom("leases")
    .select((eb) => ["blob_id", eb.fn.max("expires_at_ms").as("until")])
    .where("blob_id", "in", blobIds)
    .where("expires_at_ms", ">", batch.nowMs)
    .groupBy("blob_id")
    .execute();
  return new Map(rows.map((row) => [row.blob_id, row.until]));
}

async function condemnBlobs(batch: Batch, blobIds: readonly string[], visibleAtMs: number): Promise<Pair[]> {
  if (blobIds.length === 0) return [];
  const held = await batch.db
    .selectFrom("extents")
    .select("blob_id")
    .distinct()
    .where("blob_id", "in", blobIds)
    .execute();
  const referenced = new Set(held.map((row) => row.blob_id));
  await batch.db
    .deleteFrom("delete_queue")
    .where("blob_id", "in", blobIds)
    .where("volume_id", "=", "")
    .execute();
  // Referenced again meanwhile: alive, and queued anew when it loses that extent.
  const dead = blobIds.filter((blobId) => !referenced.has(blobId));
  if (dead.length === 0) return [];
  const rows = await batch.db
    .updateTable("copies")
    .set({ state: CopyState.CONDEMNED, condemned_at_ms: batch.nowMs, confirmed_number: null })
    .where("blob_id", "in", dead)
    .where("state", "!=", CopyState.CONDEMNED)
    .returning(["blob_id", "volume_id"])
    .execute();
  await batch.db.deleteFrom("blobs").where("blob_id", "in", dead).execute();
  await batch.db.deleteFrom("repair_queue").where("blob_id", "in", dead).execute();
  const pairs = rows.map((row) => ({ blobId: row.blob_id, volumeId: row.volume_id }));
  await queueDeletes(batch, pairs, visibleAtMs);
  return pairs;
}

/** One copy: condemned before and not confirmed yet, or given up by repair. */
async function condemnPair(batch: Batch, entry: DeleteRow, visibleAtMs: number): Promise<Pair[]> {
  const pair = { blobId: entry.blob_id, volumeId: entry.volume_id };
  const copies = await batch.db.selectFrom("copies").selectAll().where("blob_id", "=", pair.blobId).execute();
  const copy = copies.find((candidate) => candidate.volume_id === pair.volumeId);
  if (copy?.state === CopyState.CONDEMNED) {
    await queueDeletes(batch, [pair], visibleAtMs);
    return [pair];
  }
  const elsewhere = copies.some(
    (candidate) => candidate.volume_id !== pair.volumeId && candidate.state === CopyState.GOOD,
  );
  if (copy?.state === CopyState.BAD && elsewhere) {
    await batch.db
      .updateTable("copies")
      .set({ state: CopyState.CONDEMNED, condemned_at_ms: batch.nowMs, confirmed_number: null })
      .where("blob_id", "=", pair.blobId)
      .where("volume_id", "=", pair.volumeId)
      .execute();
    await queueDeletes(batch, [pair], visibleAtMs);
    return [pair];
  }
  // Good again, gone, or the last that is left: not deleted (I4).
  await batch.db
    .deleteFrom("delete_queue")
    .where("blob_id", "=", pair.blobId)
    .where("volume_id", "=", pair.volumeId)
    .execute();
  if (copy?.state === CopyState.BAD) queueRepair(batch, pair.blobId, batch.nowMs);
  return [];
}
