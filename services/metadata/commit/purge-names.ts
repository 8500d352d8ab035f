import { sql } from "kysely";
import { chunked } from "../store/chunked";
import { type ForgottenChange, lastForgotten, lastForgottenFact } from "../store/forgotten-change";
import type { UploadRow, VersionRow } from "../store/tables";
import type { Batch } from "./batch";
import { releaseExtents } from "./extents";
import { removeUpload } from "./uploads";

/** What one step may remove, found before the locks are taken and looked at again under them. */
export type PurgePlan = {
  readonly uploads: readonly (Pick<UploadRow, "upload_id" | "bucket_id"> & { sequences: number[] })[];
  readonly versions: readonly Pick<VersionRow, "bucket_id" | "key" | "sequence">[];
  /** Deleted buckets with nothing left but their own rows. */
  readonly emptiedBuckets: readonly string[];
};

/** At most so many deleted buckets are looked at in one step. */
const bucketsAtOnce = 16;

export async function planPurge(batch: Batch, limit: number): Promise<PurgePlan> {
  const deleted = (
    await batch.db
      .selectFrom("buckets")
      .select("bucket_id")
      .where("deleted_at_ms", "is not", null)
      .orderBy("deleted_at_ms")
      .limit(bucketsAtOnce)
      .execute()
  ).map((row) => row.bucket_id);
  const uploads = await endedUploads(batch, deleted, limit);
  const versions = await endedVersions(batch, deleted, limit);
  const busy = new Set([...uploads, ...versions].map((row) => row.bucket_id));
  return { uploads, versions, emptiedBuckets: deleted.filter((bucketId) => !busy.has(bucketId)) };
}

/** Uploads whose time is over or whose bucket is deleted, with the parts that this step may take. */
async function endedUploads(batch: Batch, deleted: readonly string[], limit: number) {
  const expired = await batch.db
    .selectFrom("uploads")
    .select(["upload_id", "bucket_id"])
    .where("expires_at_ms", "is not", null)
    .where("expires_at_ms", "<=", batch.nowMs)
    .orderBy("expires_at_ms")
    .limit(limit)
    .execute();
  const orphaned =
    deleted.length === 0
      ? []
      : await batch.db
          .selectFrom("uploads")
          .select(["upload_id", "bucket_id"])
          .where("bucket_id", "in", deleted)
          .limit(limit)
          .execute();
  const found = new Map([...expired, ...orphaned].map((row) => [row.upload_id, row]));
  const plan: { upload_id: string; bucket_id: string; sequences: number[] }[] = [];
  let left = limit;
  for (const upload of found.values()) {
    if (left <= 0) break;
    const parts = await batch.db
      .selectFrom("parts")
      .select("sequence")
      .where("upload_id", "=", upload.upload_id)
      .orderBy("part_number")
      .limit(left)
      .execute();
    left -= parts.length + 1;
    plan.push({ ...upload, sequences: parts.map((part) => part.sequence) });
  }
  return plan;
}

/** Removed versions whose history window has passed, or whose bucket is deleted (P2). */
async function endedVersions(batch: Batch, deleted: readonly string[], limit: number) {
  const old = await batch.db
    .selectFrom("object_versions")
    .select(["bucket_id", "key", "sequence"])
    .where("removed_at_ms", "is not", null)
    .where("removed_at_ms", "<=", batch.nowMs - batch.config.historyWindowMs)
    .orderBy("removed_at_ms")
    .limit(limit)
    .execute();
  if (deleted.length === 0 || old.length >= limit) return old;
  const left = await batch.db
    .selectFrom("object_versions")
    .select(["bucket_id", "key", "sequence"])
    .where("bucket_id", "in", deleted)
    .limit(limit)
    .execute();
  const known = new Set(old.map((row) => row.sequence));
  return [...old, ...left.filter((row) => !known.has(row.sequence))].slice(0, limit);
}

export async function purgeUploads(batch: Batch, plan: PurgePlan, limit: number): Promise<number> {
  let removed = 0;
  for (const upload of plan.uploads) {
    if (removed >= limit) break;
    // Renewed, completed or aborted between the plan and its lock.
    const row = await batch.db
      .selectFrom("uploads")
      .selectAll()
      .where("upload_id", "=", upload.upload_id)
      .executeTakeFirst();
    if (row === undefined) continue;
    const ended = row.expires_at_ms !== null && row.expires_at_ms <= batch.nowMs;
    if (!ended && (await batch.bucket(row.bucket_id)) !== undefined) continue;
    removed += await removeUpload(
      batch,
      upload,
      Math.max(1, Math.min(limit - removed, upload.sequences.length + 1)),
    );
  }
  return removed;
}

export async function purgeHistory(batch: Batch, plan: PurgePlan, limit: number): Promise<number> {
  const removed: PurgePlan["versions"][number][] = [];
  for (const version of plan.versions.slice(0, limit)) {
    const rows = await batch.db
      .deleteFrom("object_versions")
      .where("bucket_id", "=", version.bucket_id)
      .where("key", "=", version.key)
      .where("sequence", "=", version.sequence)
      .where("removed_at_ms", "is not", null)
      .returning("sequence")
      .execute();
    if (rows.length > 0) removed.push(version);
  }
  const bucketIds = new Set(removed.map((version) => version.bucket_id));
  for (const bucketId of bucketIds)
    await releaseExtents(
      batch,
      bucketId,
      removed.filter((version) => version.bucket_id === bucketId).map((version) => version.sequence),
    );
  return removed.length;
}

/** Takes a deleted bucket's log and sums in steps, and its row last. */
export async function purgeBuckets(batch: Batch, plan: PurgePlan, limit: number): Promise<number> {
  let removed = 0;
  for (const bucketId of plan.emptiedBuckets) {
    if (removed >= limit) break;
    const rows = await batch.db
      .selectFrom("changes")
      .select("number")
      .where("bucket_id", "=", bucketId)
      .orderBy("number")
      .limit(limit - removed)
      .execute();
    await forgetChanges(
      batch,
      rows.map((row) => row.number),
    );
    removed += rows.length;
    if (removed >= limit) break;
    if (await holdsNames(batch, bucketId)) continue;
    for (const table of ["usage", "change_horizons", "buckets"] as const)
      await batch.db.deleteFrom(table).where("bucket_id", "=", bucketId).execute();
    removed += 1;
  }
  return removed;
}

async function holdsNames(batch: Batch, bucketId: string): Promise<boolean> {
  for (const table of ["uploads", "object_versions", "changes"] as const) {
    const row = await batch.db
      .selectFrom(table)
      .select("bucket_id")
      .where("bucket_id", "=", bucketId)
      .limit(1)
      .executeTakeFirst();
    if (row !== undefined) return true;
  }
  return false;
}

/**
 * Removes changes, and remembers how far and by which command: a volume's memory of one of them is then checked by
 * its mark, and the history never seems to end before what a volume has seen (P7).
 */
export async function forgetChanges(batch: Batch, numbers: readonly number[]): Promise<void> {
  const highest = Math.max(0, ...numbers);
  if (highest === 0) return;
  // First the counter: its row's lock puts two processes that purge at once in order.
  await batch.db
    .updateTable("counters")
    .set({ value: sql<number>`case when value < ${highest} then ${highest} else value end` })
    .where("name", "=", "changes_purged_through")
    .execute();
  const last = await batch.db
    .selectFrom("changes")
    .select(["number", "command_id"])
    .where("number", "=", highest)
    .executeTakeFirst();
  if (last !== undefined) await rememberForgotten(batch, last);
  for (const chunk of chunked(numbers, 500))
    await batch.db.deleteFrom("changes").where("number", "in", chunk).execute();
}

async function rememberForgotten(batch: Batch, change: ForgottenChange): Promise<void> {
  const known = await lastForgotten(batch);
  if (known !== undefined && known.number >= change.number) return;
  const value = JSON.stringify(change);
  await batch.db
    .insertInto("facts")
    .values({ name: lastForgottenFact, value })
    .onConflict((oc) => oc.column("name").doUpdateSet({ value }))
    .execute();
}
