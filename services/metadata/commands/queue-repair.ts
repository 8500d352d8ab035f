import { CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { done } from "../commit/batch";
import { queueRepair as queue } from "../commit/blobs";
import type { Handler } from "../commit/handler";

/** A copy is bad or missing: readers avoid it from now on, repair makes another (P9). */
export const queueRepair: Handler<"queueRepair"> = {
  blobs: (_batch, change, wanted) => {
    wanted.blobs.add(change.blobId);
  },
  decide: async (batch, { blobId, volumeId }) => {
    const blob = await batch.db
      .selectFrom("blobs")
      .select("blob_id")
      .where("blob_id", "=", blobId)
      .executeTakeFirst();
    // Deleted meanwhile: nothing to repair.
    if (blob === undefined) return { ...done, keep: false };
    if (volumeId !== "")
      await batch.db
        .updateTable("copies")
        .set({ state: CopyState.BAD })
        .where("blob_id", "=", blobId)
        .where("volume_id", "=", volumeId)
        .where("state", "=", CopyState.GOOD)
        .execute();
    await queue(batch, blobId, batch.nowMs);
    return done;
  },
};
