import type { UploadRow } from "../store/tables";
import type { Batch } from "./batch";
import { releaseExtents } from "./extents";
import type { Wanted } from "./handler";

/** An upload that goes on: not ended by itself, its bucket not deleted. */
export async function openUpload(batch: Batch, uploadId: string): Promise<UploadRow | undefined> {
  const upload = await uploadRow(batch, uploadId);
  if (upload === undefined) return undefined;
  if (upload.expires_at_ms !== null && upload.expires_at_ms <= batch.nowMs) return undefined;
  return (await batch.bucket(upload.bucket_id)) === undefined ? undefined : upload;
}

/** Bucket and key of an upload never change, so they are read before its row is locked. */
export async function lockUpload(batch: Batch, uploadId: string, wanted: Wanted, withKey = false) {
  const upload = await uploadRow(batch, uploadId);
  if (upload === undefined) return;
  wanted.uploads.add(uploadId);
  if (withKey) wanted.key(upload.bucket_id, upload.key);
  else wanted.bucket(upload.bucket_id);
}

/** Blobs of the parts, all or one. */
export async function wantPartBlobs(batch: Batch, uploadId: string, wanted: Wanted, partNumber?: number) {
  let query = batch.db
    .selectFrom("parts")
    .innerJoin("uploads", "uploads.upload_id", "parts.upload_id")
    .innerJoin("extents", (join) =>
      join
        .onRef("extents.bucket_id", "=", "uploads.bucket_id")
        .onRef("extents.owner_sequence", "=", "parts.sequence"),
    )
    .select("extents.blob_id")
    .distinct()
    .where("parts.upload_id", "=", uploadId);
  if (partNumber !== undefined) query = query.where("parts.part_number", "=", partNumber);
  for (const row of await query.execute()) wanted.blobs.add(row.blob_id);
}

/** Removes up to `limit` parts of an upload with their extents, then, when none is left, the upload. Gives rows removed. */
export async function removeUpload(
  batch: Batch,
  upload: Pick<UploadRow, "upload_id" | "bucket_id">,
  limit: number,
): Promise<number> {
  const parts = await batch.db
    .selectFrom("parts")
    .select(["part_number", "sequence"])
    .where("upload_id", "=", upload.upload_id)
    .orderBy("part_number")
    .limit(limit)
    .execute();
  if (parts.length > 0) {
    await releaseExtents(
      batch,
      upload.bucket_id,
      parts.map((part) => part.sequence),
    );
    await batch.db
      .deleteFrom("parts")
      .where("upload_id", "=", upload.upload_id)
      .where("part_number", "<=", parts.at(-1)?.part_number ?? 0)
      .execute();
  }
  if (parts.length >= limit) return parts.length;
  await batch.db.deleteFrom("uploads").where("upload_id", "=", upload.upload_id).execute();
  return parts.length + 1;
}

async function uploadRow(batch: Batch, uploadId: string): Promise<UploadRow | undefined> {
  return batch.db.selectFrom("uploads").selectAll().where("upload_id", "=", uploadId).executeTakeFirst();
}
