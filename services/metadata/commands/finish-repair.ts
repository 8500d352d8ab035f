import { CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { type Batch, done } from "../commit/batch";
import { condemnUnnamed, queueRepair } from "../commit/blobs";
import { giveUp, nameGood, nodesHolding } from "../commit/copies";
import type { ChangeOf, Handler } from "../commit/handler";
import type { RepairRow } from "../store/tables";

/** How soon a repair that could not name all its copies, or left too few good ones, is tried again. */
const againMs = 30_000;

/** Names fresh copies and gives bad ones up, by P6's rule about condemned pairs. */
export const finishRepair: Handler<"finishRepair"> = {
  blobs: (_batch, change, wanted) => {
    wanted.blobs.add(change.blobId);
  },
  decide: async (batch, change) => {
    const { blobId } = change;
    const blob = await batch.db
      .selectFrom("blobs")
      .select("blob_id")
      .where("blob_id", "=", blobId)
      .executeTakeFirst();
    const nodes = await batch.volumeNodes();
    const added = [...new Set(change.addedVolumeIds)].filter((volumeId) => nodes.has(volumeId));
    if (blob === undefined) {
      // The blob was deleted while it was repaired: what was written is garbage.
      await condemnUnnamed(
        batch,
        added.map((volumeId) => ({ blobId, volumeId })),
      );
      return done;
    }
    const task = await batch.db
      .selectFrom("repair_queue")
      .selectAll()
      .where("blob_id", "=", blobId)
      .executeTakeFirst();
    let leftOut = false;
    for (const volumeId of added) leftOut = !(await nameCopy(batch, blobId, volumeId, task)) || leftOut;
    for (const volumeId of new Set(change.droppedVolumeIds))
      if (!added.includes(volumeId)) await giveUp(batch, blobId, volumeId);
    await settle(batch, change, task, leftOut);
    return done;
  },
};

/** False when the pair is condemned and its delete was not confirmed before this repair was handed out (P6). */
async function nameCopy(batch: Batch, blobId: string, volumeId: string, task: RepairRow | undefined) {
  const pair = await batch.db
    .selectFrom("copies")
    .selectAll()
    .where("blob_id", "=", blobId)
    .where("volume_id", "=", volumeId)
    .executeTakeFirst();
  if (pair?.state === CopyState.CONDEMNED) {
    const given = task?.given_number ?? 0;
    if (pair.confirmed_number === null || given <= pair.confirmed_number) {
      batch.log.info({ blobId, volumeId }, "a repaired copy is left out: its pair is condemned");
      return false;
    }
  }
  await nameGood(batch, blobId, volumeId);
  return true;
}

/**
 * Takes the repair off the queue when the blob is whole as it is now, which the worker cannot know: what became bad or
 * was moved meanwhile keeps it there.
 */
async function settle(
  batch: Batch,
  { blobId, retryAfterMs, copies: wanted }: ChangeOf<"finishRepair">,
  task: RepairRow | undefined,
  leftOut: boolean,
): Promise<void> {
  const copies = await batch.db.selectFrom("copies").selectAll().where("blob_id", "=", blobId).execute();
  const queued = await batch.db
    .selectFrom("delete_queue")
    .select("volume_id")
    .where("blob_id", "=", blobId)
    .execute();
  const givenUp = new Set(queued.map((row) => row.volume_id));
  const good = copies.filter((copy) => copy.state === CopyState.GOOD).map((copy) => copy.volume_id);
  const tooFew = nodesHolding(await batch.volumeNodes(), good) < Math.max(2, wanted);
  const bad = copies.some((copy) => copy.state === CopyState.BAD && !givenUp.has(copy.volume_id));
  const waitMs = retryAfterMs > 0n ? Number(retryAfterMs) : leftOut || bad || tooFew ? againMs : undefined;
  if (waitMs === undefined) {
    await batch.db.deleteFrom("repair_queue").where("blob_id", "=", blobId).execute();
    return;
  }
  if (task === undefined) queueRepair(batch, blobId, batch.nowMs + waitMs);
  else
    await batch.db
      .updateTable("repair_queue")
      .set({ due_at_ms: batch.nowMs + waitMs, given_number: null })
      .where("blob_id", "=", blobId)
      .execute();
}
