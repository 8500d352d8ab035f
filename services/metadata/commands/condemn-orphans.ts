import { CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { condemnUnnamed } from "../commit/blobs";
import type { Handler } from "../commit/handler";
import { refuse } from "../commit/refusal";

const hourMs = 3_600_000;
const hoursOfBrake = 24;

/**
 * Condemns replicas that no row names; the primary key of `copies` decides against a commit that names one at the
 * same moment (P6). Orphans are only what crashes left, so that many at once are a sign of something else.
 */
export const condemnOrphans: Handler<"condemnOrphans"> = {
  rows: (change) => change.blobIds.length,
  // The volume's row makes the tally exact.
  locks: (_batch, change, wanted) => {
    wanted.volumes.add(change.volumeId);
  },
  decide: async (batch, change) => {
    const { volumeId } = change;
    const blobIds = [...new Set(change.blobIds)].sort();
    if (!(await batch.volumeNodes()).has(volumeId)) return refuse("NO_SUCH_VOLUME", { resource: volumeId });
    const named = await batch.db
      .selectFrom("copies")
      .select(["blob_id", "state"])
      .where("volume_id", "=", volumeId)
      .where("blob_id", "in", blobIds)
      .execute();
    const known = new Set(named.map((row) => row.blob_id));
    const fresh = blobIds.filter((blobId) => !known.has(blobId)).length;
    const hour = Math.floor(batch.nowMs / hourMs);
    const tally = await batch.db
      .selectFrom("orphan_tallies")
      .select("condemned")
      .where("volume_id", "=", volumeId)
      .where("hour", ">", hour - hoursOfBrake)
      .execute();
    const total = fresh + tally.reduce((sum, row) => sum + row.condemned, 0);
    const share = batch.config.orphanShare * Number(change.volumeBlobs);
    if (fresh > 0 && total > batch.config.orphansAlwaysAllowed && total > share)
      return refuse("TOO_MANY_ORPHANS", {
        message: `${total} replicas of volume ${volumeId} within a day would be condemned as orphans.`,
        resource: volumeId,
      });
    const live = new Set(named.filter((row) => row.state !== CopyState.CONDEMNED).map((row) => row.blob_id));
    const condemned = await condemnUnnamed(
      batch,
      blobIds.filter((blobId) => !live.has(blobId)).map((blobId) => ({ blobId, volumeId })),
    );
    if (fresh > 0)
      await batch.db
        .insertInto("orphan_tallies")
        .values({ volume_id: volumeId, hour, condemned: fresh })
        .onConflict((oc) =>
          oc.columns(["volume_id", "hour"]).doUpdateSet((eb) => ({
            condemned: eb("orphan_tallies.condemned", "+", eb.ref("excluded.condemned")),
          })),
        )
        .execute();
    return {
      keep: condemned.length > 0,
      result: { case: "orphans", value: { blobIds: condemned.map((pair) => pair.blobId) } },
    };
  },
};
