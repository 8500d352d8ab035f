import { done } from "../commit/batch";
import type { Handler } from "../commit/handler";

/** Writes down a node and its volumes. A volume known under another node moves there with its disk; fences stay. */
export const registerNode: Handler<"registerNode"> = {
  locks: (_batch, change, wanted) => {
    for (const volumeId of change.volumeIds) wanted.volumes.add(volumeId);
  },
  decide: async (batch, change, stamp) => {
    const { nodeId, address, zone } = change;
    await batch.db
      .insertInto("nodes")
      .values({ node_id: nodeId, address, zone, registered_at_ms: stamp.atMs })
      .onConflict((oc) => oc.column("node_id").doUpdateSet({ address, zone }))
      .execute();
    for (const volumeId of [...new Set(change.volumeIds)].sort())
      await batch.db
        .insertInto("volumes")
        .values({ volume_id: volumeId, node_id: nodeId, fenced_at_ms: null, fence_detail: "" })
        .onConflict((oc) => oc.column("volume_id").doUpdateSet({ node_id: nodeId }))
        .execute();
    batch.forgetVolumes();
    return done;
  },
};
