import { sql } from "kysely";
import { CopyState, type NewBlob } from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { Reason } from "../../common/errors/table";
import { timeOfId } from "../../common/ids/uuid";
import { chunked } from "../store/chunked";
import { statement } from "../store/statement";
import type { Batch } from "./batch";

export type Pair = { readonly blobId: string; readonly volumeId: string };

const blobRow = statement<{ blobId: string }>()((db, mark) =>
  db.selectFrom("blobs").select("size_bytes").where("blob_id", "=", mark("blobId")),
);
const insertBlob = statement<{ blobId: string; sizeBytes: number; crc32c: number }>()((db, mark) =>
  db
    .insertInto("blobs")
    .values({ blob_id: mark("blobId"), size_bytes: mark("sizeBytes"), crc32c: mark("crc32c") }),
);
const insertCopy = statement<Pair>()((db, mark) =>
  db
    .insertInto("copies")
    .values({ blob_id: mark("blobId"), volume_id: mark("volumeId"), state: CopyState.GOOD }),
);
const insertThreeCopies = statement<{ blobId: string; a: string; b: string; c: string }>()((db, mark) =>
  db.insertInto("copies").values(
    (["a", "b", "c"] as const).map((name) => ({
      blob_id: mark("blobId"),
      volume_id: mark(name),
      state: CopyState.GOOD,
    })),
  ),
);
const upsertRepair = statement<{ blobId: string; dueAtMs: number }>()((db, mark) =>
  db
    .insertInto("repair_queue")
    .values({ blob_id: mark("blobId"), due_at_ms: mark("dueAtMs"), attempts: 0 })
    .onConflict((oc) =>
      oc.column("blob_id").doUpdateSet({
        due_at_ms: sql`case when excluded.due_at_ms < repair_queue.due_at_ms
          then excluded.due_at_ms else repair_queue.due_at_ms end` as never,
      }),
    ),
);

/** Why a command may not bring these blobs, or undefined (I2, P6). Changes nothing. */
export async function newBlobsRefusal(
  batch: Batch,
  blobs: readonly NewBlob[],
): Promise<{ reason: Reason; message: string } | undefined> {
  if (blobs.length === 0) return undefined;
  const nodes = await batch.volumeNodes();
  if (new Set(blobs.map((blob) => blob.blobId)).size < blobs.length)
    return { reason: "INVALID_ARGUMENT", message: "A blob is brought twice." };
  for (const blob of blobs) {
    const holders = new Set<string>();
    for (const volumeId of blob.volumeIds) {
      const node = nodes.get(volumeId);
      if (node === undefined)
        return { reason: "NOT_ENOUGH_COPIES", message: `Volume ${volumeId} is not registered.` };
      holders.add(node);
    }
    if (holders.size < 2)
      return {
        reason: "NOT_ENOUGH_COPIES",
        message: `Blob ${blob.blobId} lies on ${holders.size} node; two are needed.`,
      };
    if (batch.nowMs - timeOfId(blob.blobId) > batch.config.unnamedMaxAgeMs)
      return { reason: "BLOB_CONDEMNED", message: `Blob ${blob.blobId} is too old to be named.` };
    const taken = batch.careful ? await takenBlob(batch, blob) : undefined;
    if (taken !== undefined) return taken;
  }
  return undefined;
}

/** The primary keys decide this too: only after they refused a batch is it looked up, for a proper answer (P6). */
async function takenBlob(
  batch: Batch,
  blob: NewBlob,
): Promise<{ reason: Reason; message: string } | undefined> {
  if ((await blobRow(batch, { blobId: blob.blobId })).length > 0)
    return { reason: "BLOB_EXISTS", message: `Blob ${blob.blobId} is known already.` };
  const pair = await batch.db
    .selectFrom("copies")
    .select("volume_id")
    .where("blob_id", "=", blob.blobId)
    .where("volume_id", "in", blob.volumeIds)
    .limit(1)
    .executeTakeFirst();
  return pair === undefined
    ? undefined
    : { reason: "BLOB_CONDEMNED", message: `Blob ${blob.blobId} is condemned on volume ${pair.volume_id}.` };
}

/** Names the blobs and their pairs; incomplete ones enter the repair queue (D§5). After `newBlobsRefusal`. */
export function nameNewBlobs(batch: Batch, blobs: readonly NewBlob[]): void {
  for (const blob of blobs) {
    const { blobId, volumeIds } = blob;
    batch.write(insertBlob(batch, { blobId, sizeBytes: Number(blob.sizeBytes), crc32c: blob.crc32c }));
    const [a, b, c] = volumeIds;
    if (volumeIds.length === 3 && a !== undefined && b !== undefined && c !== undefined)
      batch.write(insertThreeCopies(batch, { blobId, a, b, c }));
    else for (const volumeId of volumeIds) batch.write(insertCopy(batch, { blobId, volumeId }));
    if (blob.incomplete) queueRepair(batch, blobId, batch.nowMs);
  }
}

/** Puts a blob into the repair queue, or brings it forward there. */
export function queueRepair(batch: Batch, blobId: string, dueAtMs: number): void {
  batch.write(upsertRepair(batch, { blobId, dueAtMs }));
}

/**
 * Condemns each pair that no row names, and queues its delete at once. Gives those that are condemned now. A pair
 * condemned before needs a confirmation anew: bytes have been seen there since (P6).
 */
export async function condemnUnnamed(batch: Batch, pairs: readonly Pair[]): Promise<Pair[]> {
  const condemned: Pair[] = [];
  for (const chunk of chunked(pairs, 200)) {
    const rows = await batch.db
      .insertInto("copies")
      .values(
        chunk.map((pair) => ({
          blob_id: pair.blobId,
          volume_id: pair.volumeId,
          state: CopyState.CONDEMNED,
          condemned_at_ms: batch.nowMs,
        })),
      )
      .onConflict((oc) =>
        oc
          .columns(["blob_id", "volume_id"])
          .doUpdateSet({ condemned_at_ms: batch.nowMs, confirmed_number: null })
          .where("copies.state", "=", CopyState.CONDEMNED),
      )
      .returning(["blob_id", "volume_id"])
      .execute();
    const now = rows.map((row) => ({ blobId: row.blob_id, volumeId: row.volume_id }));
    await queueDeletes(batch, now, batch.nowMs);
    condemned.push(...now);
  }
  return condemned;
}

/** Queues pairs (or whole blobs, with an empty volume) for deletion at a time; a former time is replaced. */
export async function queueDeletes(batch: Batch, pairs: readonly Pair[], dueAtMs: number): Promise<void> {
  for (const chunk of chunked(pairs, 200)) {
    await batch.db
      .insertInto("delete_queue")
      .values(chunk.map((pair) => ({ blob_id: pair.blobId, volume_id: pair.volumeId, due_at_ms: dueAtMs })))
      .onConflict((oc) =>
        oc
          .columns(["blob_id", "volume_id"])
          .doUpdateSet((eb) => ({ due_at_ms: eb.ref("excluded.due_at_ms") })),
      )
      .execute();
  }
}

/** The bytes of a command that was refused for good are garbage: their pairs are condemned with the refusal (P6). */
export async function condemnRefused(batch: Batch, blobs: readonly NewBlob[]): Promise<void> {
  const nodes = await batch.volumeNodes();
  const pairs = new Map<string, Pair>();
  for (const { blobId, volumeIds } of blobs)
    for (const volumeId of volumeIds)
      if (nodes.has(volumeId)) pairs.set(`${blobId}/${volumeId}`, { blobId, volumeId });
  await condemnUnnamed(batch, [...pairs.values()]);
}
