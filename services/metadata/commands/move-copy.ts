import { create } from "@bufbuild/protobuf";
import { CopyState, NewBlobSchema } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { type Batch, done } from "../commit/batch";
import { giveUp, nameGood, nodesHolding } from "../commit/copies";
import type { ChangeOf, Handler } from "../commit/handler";
import { refuse } from "../commit/refusal";

/** One copy takes another's place, never leaving fewer good ones on different nodes than there were (P6). */
export const moveCopy: Handler<"moveCopy"> = {
  blobs: (_batch, change, wanted) => {
    wanted.blobs.add(change.blobId);
  },
  // What was written for a move that is refused is garbage.
  newBlobs: (change) =>
    change.toVolumeId === ""
      ? []
      : [create(NewBlobSchema, { blobId: change.blobId, volumeIds: [change.toVolumeId] })],
  decide: async (batch, change) => {
    const { blobId, fromVolumeId, toVolumeId } = change;
    const hindrance = await whyNot(batch, change);
    if (hindrance !== undefined)
      return refuse("COPY_CHANGED", { message: `Blob ${blobId}: ${hindrance}.`, resource: blobId });
    if (toVolumeId !== "") await nameGood(batch, blobId, toVolumeId);
    await giveUp(batch, blobId, fromVolumeId);
    return done;
  },
};

async function whyNot(batch: Batch, change: ChangeOf<"moveCopy">): Promise<string | undefined> {
  const { blobId, fromVolumeId, toVolumeId, copies } = change;
  const blob = await batch.db
    .selectFrom("blobs")
    .select("blob_id")
    .where("blob_id", "=", blobId)
    .executeTakeFirst();
  if (blob === undefined) return "it is gone";
  const pairs = await batch.db.selectFrom("copies").selectAll().where("blob_id", "=", blobId).execute();
  const stateOf = (volumeId: string) => pairs.find((pair) => pair.volume_id === volumeId)?.state;
  if (stateOf(fromVolumeId) !== CopyState.GOOD) return "the copy to be moved is not a good one any more";
  const nodes = await batch.volumeNodes();
  const good = pairs.filter((pair) => pair.state === CopyState.GOOD).map((pair) => pair.volume_id);
  const rest = good.filter((volumeId) => volumeId !== fromVolumeId);
  const holders = (volumeIds: readonly string[]) => nodesHolding(nodes, volumeIds);
  if (toVolumeId === "")
    return holders(rest) < copies ? "without it there were too few good copies" : undefined;
  // Only a repair may name a condemned pair again.
  if (stateOf(toVolumeId) === CopyState.CONDEMNED) return "the new pair is condemned";
  if (!nodes.has(toVolumeId)) return "the new volume is not registered";
  if (holders([...rest, toVolumeId]) < Math.min(holders(good), copies))
    return "it would lie on fewer nodes than before";
  return undefined;
}
