import { CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { Batch } from "./batch";
import { forgetChanges } from "./purge-names";

export async function purgeLeases(batch: Batch, limit: number): Promise<number> {
  const rows = await batch.db
    .selectFrom("leases")
    .select(["lease_id", "blob_id"])
    .where("expires_at_ms", "<=", batch.nowMs)
    .orderBy("expires_at_ms")
    .limit(limit)
    .execute();
  for (const row of rows)
    await batch.db
      .deleteFrom("leases")
      .where("lease_id", "=", row.lease_id)
      .where("blob_id", "=", row.blob_id)
      .where("expires_at_ms", "<=", batch.nowMs)
      .execute();
  return rows.length;
}

/** Command ids carry their time, so the oldest outcomes come first in the primary key (P3). */
export async function purgeOutcomes(batch: Batch, limit: number): Promise<number> {
  const rows = await batch.db
    .selectFrom("outcomes")
    .select("command_id")
    .where("command_id", "<", firstIdAt(batch.nowMs - batch.config.outcomesKeptMs))
    .orderBy("command_id")
    .limit(limit)
    .execute();
  const last = rows.at(-1)?.command_id;
  if (last !== undefined) await batch.db.deleteFrom("outcomes").where("command_id", "<=", last).execute();
  return rows.length;
}

/** The least UUIDv7 of a moment. */
function firstIdAt(atMs: number): string {
  const hex = Math.max(0, Math.floor(atMs)).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

/** Each bucket keeps its last changes; readers further behind are told (P3). */
export async function purgeChanges(batch: Batch, limit: number): Promise<number> {
  const { changesKept } = batch.config;
  const crowded = await batch.db
    .selectFrom("usage")
    .select((eb) => ["bucket_id", eb.fn.sum<number>("changes").as("count")])
    .groupBy("bucket_id")
    .having((eb) => eb(eb.fn.sum<number>("changes"), ">", changesKept))
    .limit(16)
    .execute();
  let removed = 0;
  for (const { bucket_id, count } of crowded) {
    if (removed >= limit) break;
    const rows = await batch.db
      .selectFrom("changes")
      .select("number")
      .where("bucket_id", "=", bucket_id)
      .orderBy("number")
      .limit(Math.min(limit - removed, count - changesKept))
      .execute();
    const goneThrough = rows.at(-1)?.number;
    if (goneThrough === undefined) continue;
    await batch.db
      .insertInto("change_horizons")
      .values({ bucket_id, gone_through: goneThrough })
      .onConflict((oc) => oc.column("bucket_id").doUpdateSet({ gone_through: goneThrough }))
      .execute();
    await forgetChanges(
      batch,
      rows.map((row) => row.number),
    );
    batch.addUsage(bucket_id, 0, 0, -rows.length);
    removed += rows.length;
  }
  return removed;
}

/** Condemned pairs are released after their time once the node confirmed, or when no node will: gone or fenced (P6). */
export async function purgeCondemned(batch: Batch, limit: number): Promise<number> {
  const rows = await batch.db
    .selectFrom("copies")
    .leftJoin("volumes", "volumes.volume_id", "copies.volume_id")
    .select(["copies.blob_id", "copies.volume_id"])
    .where("copies.condemned_at_ms", "is not", null)
    .where("copies.condemned_at_ms", "<=", batch.nowMs - batch.config.condemnedKeptMs)
    .where((eb) =>
      eb.or([
        eb("copies.confirmed_number", "is not", null),
        eb("volumes.volume_id", "is", null),
        eb("volumes.fenced_at_ms", "is not", null),
      ]),
    )
    .orderBy("copies.condemned_at_ms")
    .limit(limit)
    .execute();
  for (const pair of rows) {
    await batch.db
      .deleteFrom("copies")
      .where("blob_id", "=", pair.blob_id)
      .where("volume_id", "=", pair.volume_id)
      .where("state", "=", CopyState.CONDEMNED)
      .execute();
    await batch.db
      .deleteFrom("delete_queue")
      .where("blob_id", "=", pair.blob_id)
      .where("volume_id", "=", pair.volume_id)
      .execute();
  }
  return rows.length;
}
