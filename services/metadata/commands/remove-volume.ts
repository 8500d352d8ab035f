import { CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { done } from "../commit/batch";
import type { Handler } from "../commit/handler";
import { refuse } from "../commit/refusal";

/**
 * A volume that never counts again. Its row stays: a copy that a commit named at the same moment is found by it and
 * repaired, as is all that a lost one held.
 */
export const removeVolume: Handler<"removeVolume"> = {
  locks: (_batch, change, wanted) => {
    wanted.volumes.add(change.volumeId);
  },
  decide: async (batch, { volumeId, lost }) => {
    if (!(await batch.volumeNodes()).has(volumeId)) return refuse("NO_SUCH_VOLUME", { resource: volumeId });
    // A copy that was given up is needed no more, whether or not its grace has passed.
    const left = await batch.db
      .selectFrom("copies")
      .leftJoin("delete_queue", (join) =>
        join
          .onRef("delete_queue.blob_id", "=", "copies.blob_id")
          .onRef("delete_queue.volume_id", "=", "copies.volume_id"),
      )
      .select((eb) => eb.fn.countAll<number>().as("count"))
      .where("copies.volume_id", "=", volumeId)
      .where((eb) =>
        eb.or([
          eb("copies.state", "=", CopyState.GOOD),
          eb.and([eb("copies.state", "=", CopyState.BAD), eb("delete_queue.blob_id", "is", null)]),
        ]),
      )
      .executeTakeFirst();
    const count = Number(left?.count ?? 0);
    if (count > 0 && !lost)
      return refuse("VOLUME_NOT_EMPTY", {
        message: `${count} copies are left on volume ${volumeId}. Drain it first, or say that it is lost.`,
        resource: volumeId,
        params: { copies: String(count) },
      });
    await batch.db
      .updateTable("volumes")
      .set({ removed_at_ms: batch.nowMs })
      .where("volume_id", "=", volumeId)
      .execute();
    await batch.db.deleteFrom("walks").where("volume_id", "=", volumeId).execute();
    batch.forgetVolumes();
    return done;
  },
};
