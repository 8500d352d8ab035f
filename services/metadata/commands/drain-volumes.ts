import { WalkKind } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { done } from "../commit/batch";
import type { Handler } from "../commit/handler";
import { refuse } from "../commit/refusal";
import { startWalks, volumesInUse } from "../commit/walks";

/** Marks volumes as draining and begins to empty them, in one step; or takes both back. */
export const drainVolumes: Handler<"drainVolumes"> = {
  locks: (_batch, change, wanted) => {
    for (const volumeId of change.volumeIds) wanted.volumes.add(volumeId);
  },
  decide: async (batch, { volumeIds, cancel }) => {
    const inUse = await volumesInUse(batch);
    const unknown = volumeIds.find((volumeId) => !inUse.includes(volumeId));
    if (unknown !== undefined) return refuse("NO_SUCH_VOLUME", { resource: unknown });
    await batch.db
      .updateTable("volumes")
      .set({ draining_at_ms: cancel ? null : batch.nowMs })
      .where("volume_id", "in", volumeIds)
      .execute();
    if (!cancel) {
      await startWalks(batch, WalkKind.DRAIN, volumeIds, 0);
      return done;
    }
    await batch.db
      .deleteFrom("walks")
      .where("kind", "=", WalkKind.DRAIN)
      .where("volume_id", "in", volumeIds)
      .execute();
    // It is wanted again: what had left it comes back.
    await startWalks(batch, WalkKind.REBALANCE, inUse, 0);
    return done;
  },
};
