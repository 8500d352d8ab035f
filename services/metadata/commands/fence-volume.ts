import { WalkKind } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { done } from "../commit/batch";
import type { Handler } from "../commit/handler";
import { refuse } from "../commit/refusal";
import { startWalks } from "../commit/walks";

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
    // What it holds is read while it can be, and belongs elsewhere from now on.
    const drained = await batch.db
      .updateTable("volumes")
      .set({ draining_at_ms: stamp.atMs })
      .where("volume_id", "=", change.volumeId)
      .where("draining_at_ms", "is", null)
      .where("removed_at_ms", "is", null)
      .returning("volume_id")
      .execute();
    if (drained.length > 0) await startWalks(batch, WalkKind.DRAIN, [change.volumeId], 0);
    return done;
  },
};
