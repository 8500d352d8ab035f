import { sql } from "kysely";
import { chunked } from "../store/chunked";
import { statement } from "../store/statement";
import type { Batch } from "./batch";

const hourMs = 3_600_000;

const insertMark = statement<{ hour: number; number: number; commandId: string }>()((db, mark) =>
  db
    .insertInto("marks")
    .values({ hour: mark("hour"), number: mark("number"), command_id: mark("commandId") })
    .onConflict((oc) => oc.doNothing()),
);
const addUsage = statement<{
  bucketId: string;
  slot: number;
  objects: number;
  sizeBytes: number;
  changes: number;
}>()((db, mark) =>
  db
    .insertInto("usage")
    .values({
      bucket_id: mark("bucketId"),
      slot: mark("slot"),
      objects: mark("objects"),
      size_bytes: mark("sizeBytes"),
      changes: mark("changes"),
    })
    .onConflict((oc) =>
      oc.columns(["bucket_id", "slot"]).doUpdateSet({
        objects: sql`usage.objects + excluded.objects` as never,
        size_bytes: sql`usage.size_bytes + excluded.size_bytes` as never,
        changes: sql`usage.changes + excluded.changes` as never,
      }),
    ),
);

/** Writes what gathered in the batch: its outcomes (P3), log lines, the hour's mark (P7) and usage sums (P4). */
export async function flush(
  batch: Batch,
  outcomes: readonly { command_id: string; outcome: Uint8Array }[],
  slot: number,
): Promise<void> {
  for (const chunk of chunked(outcomes, 64)) await batch.db.insertInto("outcomes").values(chunk).execute();
  for (const chunk of chunked(batch.changes, 64))
    await batch.db.insertInto("changes").values(chunk).execute();
  const [first] = batch.changes;
  if (first !== undefined) {
    const hour = Math.floor(batch.nowMs / hourMs);
    await insertMark(batch, { hour, number: first.number, commandId: first.command_id });
  }
  // In order, so that two processes that share a slot cannot wait for each other.
  for (const [bucketId, delta] of [...batch.usage].sort(([a], [b]) => (a < b ? -1 : 1)))
    if (delta.objects !== 0 || delta.sizeBytes !== 0 || delta.changes !== 0)
      await addUsage(batch, { bucketId, slot, ...delta });
}
