import type { Handler } from "../commit/handler";
import { refuse } from "../commit/refusal";
import { headersToColumn } from "../store/content-columns";

/** Opens an upload; a hidden one carries a long body and ends by itself (P1). */
export const createUpload: Handler<"createUpload"> = {
  locks: (_batch, change, wanted) => wanted.bucket(change.bucketId),
  decide: async (batch, change, stamp) => {
    const bucket = await batch.bucket(change.bucketId);
    if (bucket === undefined) return refuse("NO_SUCH_BUCKET", { resource: change.bucketId });
    if (change.key.includes("\0"))
      return refuse("INVALID_KEY_NAME", { message: "A key may not hold NUL.", resource: bucket.name });
    const existing = await batch.db
      .selectFrom("uploads")
      .select("upload_id")
      .where("upload_id", "=", change.uploadId)
      .executeTakeFirst();
    if (existing !== undefined)
      return refuse("INVALID_ARGUMENT", { message: `Upload id ${change.uploadId} is in use.` });
    await batch.db
      .insertInto("uploads")
      .values({
        upload_id: change.uploadId,
        bucket_id: change.bucketId,
        key: change.key,
        created_at_ms: stamp.atMs,
        expires_at_ms: change.ttlMs === 0n ? null : stamp.atMs + Number(change.ttlMs),
        hidden: change.hidden ? 1 : 0,
        headers: headersToColumn(change.headers),
      })
      .execute();
    return {
      result: {
        case: "upload",
        value: { uploadId: change.uploadId, createdAtMs: BigInt(stamp.atMs) },
      },
    };
  },
};
