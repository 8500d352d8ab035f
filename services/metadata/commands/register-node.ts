import { WalkKind } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { done } from "../commit/batch";
import type { Handler } from "../commit/handler";
import { startWalks, volumesInUse } from "../commit/walks";

/**
 * Writes down a node and its volumes. A volume known under another node moves there with its disk; fences stay, and so
 * does a removal. When a volume joins or a zone changes, what placement wants elsewhere now is moved a while later.
 */
export const registerNode: Handler<"registerNode"> = {
  locks: (_batch, change, wanted) => {
    for (const volumeId of change.volumeIds) wanted.volumes.add(volumeId);
  },
  decide: async (batch, change, stamp) => {
    const { nodeId, address, zone } = change;
    const former = await batch.db
      .selectFrom("nodes")
      .select("zone")
      .where("node_id", "=", nodeId)
      .executeTakeFirst();
    const known = await batch.volumeNodes();
    const joined = change.volumeIds.some((volumeId) => !known.has(volumeId));
    await batch.db
      .insertInto("nodes")
      .values({ node_id: nodeId, address, zone, registered_at_ms: stamp.atMs })
      .onConflict((oc) => oc.column("node_id").doUpdateSet({ address, zone }))
      .execute();
    for (const volumeId of [...new Set(change.volumeIds)].sort())
      await batch.db
        .insertInto("volumes")
        .values({
          volume_id: volumeId,
          node_id: nodeId,
          fenced_at_ms: null,
          fence_detail: "",
          draining_at_ms: null,
          removed_at_ms: null,
        })
        .onConflict((oc) => oc.column("volume_id").doUpdateSet({ node_id: nodeId }))
        .execute();
    batch.forgetVolumes();
    if (joined || (former !== undefined && former.zone !== zone))
      await startWalks(batch, WalkKind.REBALANCE, await volumesInUse(batch), batch.config.rebalanceDelayMs);
    return done;
  },
};
