import { done } from "../commit/batch";
import type { Handler } from "../commit/handler";
import { refuse } from "../commit/refusal";

/** Records a fence (P9). Nothing clears it; the first reason stays. */
export const fenceVolume: Handler<"fenceVolume"> = {
  locks: (_batch, change, wanted) => {
    wanted.volumes.add(change.volumeId);
  },
  decide: async (batch, change, stamp) => {
    const known = await batch.db
      .selectFrom("volumes")
      .select("fenced_at_ms")
      .where("volume_id", "=", change.volumeId)
      .executeTakeFirst();
    if (known === undefined) return refuse("NO_SUCH_VOLUME", { resource: change.volumeId });
    await batch.db
      .updateTable("volumes")
      .set({ fenced_at_ms: stamp.atMs, fence_detail: change.detail })
      .where("volume_id", "=", change.volumeId)
      .where("fenced_at_ms", "is", null)
      .execute();
    return done;
  },
};
