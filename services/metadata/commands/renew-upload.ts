import type { Handler } from "../commit/handler";
import { refuse } from "../commit/refusal";
import { lockUpload, openUpload } from "../commit/uploads";

/** Moves an upload's end away; one that never ends by itself stays so. */
export const renewUpload: Handler<"renewUpload"> = {
  locks: (batch, change, wanted) => lockUpload(batch, change.uploadId, wanted),
  decide: async (batch, change, stamp) => {
    const upload = await openUpload(batch, change.uploadId);
    if (upload === undefined) return refuse("NO_SUCH_UPLOAD", { resource: change.uploadId });
    await batch.db
      .updateTable("uploads")
      .set({ expires_at_ms: stamp.atMs + Number(change.ttlMs) })
      .where("upload_id", "=", change.uploadId)
      .where("expires_at_ms", "is not", null)
      .execute();
    return {
      result: {
        case: "upload",
        value: { uploadId: upload.upload_id, createdAtMs: BigInt(upload.created_at_ms) },
      },
    };
  },
};
