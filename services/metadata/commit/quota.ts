import { sql } from "kysely";
import type { BucketRow } from "../store/tables";
import type { Batch } from "./batch";

/** True when `growthBytes` more would pass the bucket's quota. Its row is held exclusively where a quota is set (P4). */
export async function passesQuota(batch: Batch, bucket: BucketRow, growthBytes: number): Promise<boolean> {
  if (bucket.quota_bytes === 0 || growthBytes <= 0) return false;
  const row = await batch.db
    .selectFrom("usage")
    .select(sql<number>`cast(coalesce(sum(size_bytes), 0) as bigint)`.as("used"))
    .where("bucket_id", "=", bucket.bucket_id)
    .executeTakeFirstOrThrow();
  const pending = batch.usage.get(bucket.bucket_id)?.sizeBytes ?? 0;
  return row.used + pending + growthBytes > bucket.quota_bytes;
}
