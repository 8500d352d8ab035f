import type { Handler } from "../commit/handler";
import { refuse } from "../commit/refusal";
import { lockUpload, openUpload, removeUpload, wantPartBlobs } from "../commit/uploads";

/** Ends an upload and releases the bytes of its parts. */
export const abortUpload: Handler<"abortUpload"> = {
  locks: (batch, change, wanted) => lockUpload(batch, change.uploadId, wanted),
  blobs: (batch, change, wanted) => wantPartBlobs(batch, change.uploadId, wanted),
  decide: async (batch, change) => {
    const upload = await openUpload(batch, change.uploadId);
    if (upload === undefined) return refuse("NO_SUCH_UPLOAD", { resource: change.uploadId });
    await removeUpload(batch, upload, Number.MAX_SAFE_INTEGER);
    return {
      result: {
        case: "upload",
        value: { uploadId: upload.upload_id, createdAtMs: BigInt(upload.created_at_ms) },
      },
    };
  },
};
