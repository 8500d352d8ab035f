import { createHash } from "node:crypto";
import { sql } from "kysely";
import { chunked } from "../store/chunked";
import { statement } from "../store/statement";
import type { Batch } from "./batch";
import type { Wanted } from "./handler";

/** Thrown when a quota appeared between the look at a bucket and its lock; the batch begins again. */
export class QuotaAppeared extends Error {}

/**
 * PostgreSQL: takes what the commands wanted, in statements of their own and in one order: bucket, key, upload,
 * volume (P4); blobs follow by `lockBlobs`. READ COMMITTED makes every statement after these see what the former
 * holders committed.
 */
export async function lockNames(batch: Batch, wanted: Wanted): Promise<void> {
  await lockBuckets(batch, wanted);
  const keys = [
    ...[...wanted.bucketNames].map((name) => advisoryKey(`bucket-name/${name}`)),
    ...[...wanted.keys.keys()].map((id) => advisoryKey(`key/${id}`)),
  ];
  await lockAdvisory(batch, keys);
  await lockRows(batch, "uploads", "upload_id", wanted.uploads);
  await lockRows(batch, "volumes", "volume_id", wanted.volumes);
}

/** Commits hold a bucket's row shared; deletion, configuration, and all of them where a quota is set, alone. */
async function lockBuckets(batch: Batch, wanted: Wanted): Promise<void> {
  const ids = [...wanted.buckets.keys()].sort();
  if (ids.length === 0) return;
  let exclusive = [...wanted.buckets.values()].includes(true);
  if (!exclusive) {
    const quota = await batch.db
      .selectFrom("buckets")
      .select("bucket_id")
      .where("bucket_id", "in", ids)
      .where("quota_bytes", ">", 0)
      .limit(1)
      .executeTakeFirst();
    exclusive = quota !== undefined;
  }
  // One mode for the batch: two modes in two statements would break the order.
  const query = batch.db.selectFrom("buckets").selectAll().where("bucket_id", "in", ids).orderBy("bucket_id");
  const rows = await (exclusive ? query.forUpdate() : query.forShare()).execute();
  if (!exclusive && rows.some((row) => row.quota_bytes > 0)) throw new QuotaAppeared();
  for (const id of ids) batch.rememberBucket(id, undefined);
  for (const row of rows) batch.rememberBucket(row.bucket_id, row);
}

type Names = { bucketIds: string[]; keys: string[]; versionIds: string[] };

// OFFSET 0 keeps the order of the joins: planned while the tables were small, any other order looks as good.
const blobsOfVersions = statement<Names>()<{ blob_id: string }>((db, mark) => ({
  compile: () =>
    sql<{ blob_id: string }>`select distinct e.blob_id
    from unnest(${mark("bucketIds")}::text[], ${mark("keys")}::text[], ${mark("versionIds")}::text[])
      as n(bucket_id, key, version_id)
    cross join lateral (select sequence from object_versions
      where bucket_id = n.bucket_id collate "C" and key = n.key collate "C"
        and version_id = n.version_id collate "C" and removed_at_ms is null offset 0) as v
    cross join lateral (select blob_id from extents
      where bucket_id = n.bucket_id collate "C" and owner_sequence = v.sequence offset 0) as e`.compile(db),
}));

/**
 * Blobs that commands name, and those of versions that they may remove: two that remove the last two extents of one
 * blob at the same moment must see each other (P6).
 */
export async function lockBlobs(batch: Batch, wanted: Wanted): Promise<void> {
  const named = [...wanted.keys.values()].flatMap((name) =>
    ["null", ...name.versionIds].map((versionId) => ({ ...name, versionId })),
  );
  if (named.length > 0) {
    const rows = await blobsOfVersions(batch, {
      bucketIds: named.map((name) => name.bucketId),
      keys: named.map((name) => name.key.replaceAll("\0", "")),
      versionIds: named.map((name) => name.versionId.replaceAll("\0", "")),
    });
    for (const row of rows) wanted.blobs.add(row.blob_id);
  }
  await lockRows(batch, "blobs", "blob_id", wanted.blobs);
}

async function lockRows(
  batch: Batch,
  table: "uploads" | "volumes" | "blobs",
  column: "upload_id" | "volume_id" | "blob_id",
  ids: ReadonlySet<string>,
): Promise<void> {
  for (const chunk of chunked([...ids].sort(), 5_000))
    await sql`select 1 from ${sql.table(table)} where ${sql.ref(column)} = any(${chunk})
      order by ${sql.ref(column)} for update`.execute(batch.db);
}

async function lockAdvisory(batch: Batch, keys: readonly bigint[]): Promise<void> {
  if (keys.length === 0) return;
  const sorted = [...new Set(keys)].sort((a, b) => (a < b ? -1 : 1)).map(String);
  await sql`select pg_advisory_xact_lock(k) from unnest(${sorted}::bigint[]) as k`.execute(batch.db);
}

/** A 64-bit lock for a name that may have no row. Negative: the positive ones mark numbers (numbers.ts). */
function advisoryKey(name: string): bigint {
  return createHash("sha256").update(name).digest().readBigInt64BE() | -0x8000000000000000n;
}
