import { CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { done } from "../commit/batch";
import type { Handler } from "../commit/handler";

/** The nodes confirmed these deletes: the pairs stay condemned, with the number of the confirmation (P6). */
export const finishDeletes: Handler<"finishDeletes"> = {
  rows: (change) => change.pairs.length,
  blobs: (_batch, change, wanted) => {
    for (const pair of change.pairs) wanted.blobs.add(pair.blobId);
  },
  decide: async (batch, change, stamp) => {
    const byVolume = new Map<string, string[]>();
    for (const { blobId, volumeId } of change.pairs)
      byVolume.set(volumeId, [...(byVolume.get(volumeId) ?? []), blobId]);
    for (const [volumeId, blobIds] of [...byVolume].sort()) {
      const confirmed = await batch.db
        .updateTable("copies")
        .set({ confirmed_number: stamp.number })
        .where("volume_id", "=", volumeId)
        .where("blob_id", "in", blobIds)
        .where("state", "=", CopyState.CONDEMNED)
        .returning("blob_id")
        .execute();
      if (confirmed.length === 0) continue;
      await batch.db
        .deleteFrom("delete_queue")
        .where("volume_id", "=", volumeId)
        .where(
          "blob_id",
          "in",
          confirmed.map((row) => row.blob_id),
        )
        .execute();
    }
    return done;
  },
};
