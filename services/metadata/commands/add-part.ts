import { nameNewBlobs, newBlobsRefusal } from "../commit/blobs";
import { extentsRefusal, ownExtents, releaseExtents } from "../commit/extents";
import type { Handler } from "../commit/handler";
import { refuse } from "../commit/refusal";
import { lockUpload, openUpload, wantPartBlobs } from "../commit/uploads";
import { checksumsToColumn } from "../store/content-columns";

const mostClientParts = 10_000;

/** Records a part; one of the same number before is replaced, its bytes released. */
export const addPart: Handler<"addPart"> = {
  rows: (change) => 1 + change.extents.length + 4 * change.newBlobs.length,
  newBlobs: (change) => change.newBlobs,
  locks: (batch, change, wanted) => lockUpload(batch, change.uploadId, wanted),
  blobs: async (batch, change, wanted) => {
    const brought = new Set(change.newBlobs.map((blob) => blob.blobId));
    for (const { blobId } of change.extents) if (!brought.has(blobId)) wanted.blobs.add(blobId);
    await wantPartBlobs(batch, change.uploadId, wanted, change.partNumber);
  },
  decide: async (batch, change, stamp) => {
    const { uploadId, partNumber, extents, newBlobs } = change;
    const upload = await openUpload(batch, uploadId);
    if (upload === undefined) return refuse("NO_SUCH_UPLOAD", { resource: uploadId });
    if (upload.hidden === 0 && partNumber > mostClientParts)
      return refuse("INVALID_ARGUMENT", {
        message: `Part numbers end at ${mostClientParts}.`,
        resource: uploadId,
      });
    const wrong =
      (await newBlobsRefusal(batch, newBlobs)) ??
      (await extentsRefusal(batch, extents, newBlobs, change.sizeBytes));
    if (wrong !== undefined) return refuse(wrong.reason, { message: wrong.message, resource: uploadId });
    const former = await batch.db
      .deleteFrom("parts")
      .where("upload_id", "=", uploadId)
      .where("part_number", "=", partNumber)
      .returning("sequence")
      .executeTakeFirst();
    nameNewBlobs(batch, newBlobs);
    await batch.db
      .insertInto("parts")
      .values({
        upload_id: uploadId,
        part_number: partNumber,
        sequence: stamp.number,
        size_bytes: Number(change.sizeBytes),
        etag: change.etag,
        checksums: checksumsToColumn(change.checksums),
        added_at_ms: stamp.atMs,
      })
      .execute();
    await ownExtents(batch, upload.bucket_id, stamp.number, extents);
    if (former !== undefined) await releaseExtents(batch, upload.bucket_id, [former.sequence]);
    return {
      result: {
        case: "upload",
        value: {
          uploadId,
          createdAtMs: BigInt(upload.created_at_ms),
          addedAtMs: BigInt(stamp.atMs),
        },
      },
    };
  },
};
