import { CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { Batch } from "./batch";
import { queueDeletes } from "./blobs";

/** Names a pair as good. Whether a condemned one may be named again is the caller's to know (P6). */
export async function nameGood(batch: Batch, blobId: string, volumeId: string): Promise<void> {
  await batch.db
    .insertInto("copies")
    .values({ blob_id: blobId, volume_id: volumeId, state: CopyState.GOOD })
    .onConflict((oc) =>
      oc
        .columns(["blob_id", "volume_id"])
        .doUpdateSet({ state: CopyState.GOOD, condemned_at_ms: null, confirmed_number: null }),
    )
    .execute();
  await batch.db
    .deleteFrom("delete_queue")
    .where("blob_id", "=", blobId)
    .where("volume_id", "=", volumeId)
    .execute();
}

/** A copy that repair or a move no longer wants enters the delete queue as a pair (P6). */
export async function giveUp(batch: Batch, blobId: string, volumeId: string): Promise<void> {
  const pairs = await batch.db
    .updateTable("copies")
    .set({ state: CopyState.BAD })
    .where("blob_id", "=", blobId)
    .where("volume_id", "=", volumeId)
    .where("state", "!=", CopyState.CONDEMNED)
    .returning("volume_id")
    .execute();
  if (pairs.length > 0)
    await queueDeletes(batch, [{ blobId, volumeId }], batch.nowMs + batch.config.deleteGraceMs);
}

/** On how many nodes these volumes lie, by `batch.volumeNodes()`. */
export function nodesHolding(nodes: ReadonlyMap<string, string>, volumeIds: readonly string[]): number {
  return new Set(volumeIds.flatMap((volumeId) => nodes.get(volumeId) ?? [])).size;
}
