import type { MessageInitShape } from "@bufbuild/protobuf";
import { WalkKind } from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { GetHealingResponseSchema } from "../../../gen/cairn/object/v1/object_pb";
import type { Call } from "../../common/rpc/call";
import type { MetadataClient } from "../commit";

const kindNames: Record<WalkKind, string> = {
  [WalkKind.UNSPECIFIED]: "",
  [WalkKind.SCRUB]: "scrub",
  [WalkKind.DRAIN]: "drain",
  [WalkKind.REBALANCE]: "rebalance",
};

/** How far the walks are, and how much waits. */
export async function getHealing(
  { metadata }: { readonly metadata: MetadataClient },
  call: Call,
): Promise<MessageInitShape<typeof GetHealingResponseSchema>> {
  const [{ walks }, { repairs, repairsWaiting, deletes, purges }] = await Promise.all([
    metadata.listWalks({}, call),
    metadata.getQueues({}, call),
  ]);
  return {
    queues: { repairs, repairsWaiting, deletes, purges },
    walks: walks.map((walk) => ({
      kind: kindNames[walk.kind],
      volumeId: walk.volumeId,
      running: walk.running,
      checked: walk.checked,
      changed: walk.changed,
      waiting: walk.waiting,
      bytes: walk.bytes,
      total: walk.total,
      startedAtMs: walk.startedAtMs,
      updatedAtMs: walk.updatedAtMs,
      finishedAtMs: walk.finishedAtMs,
      dueAtMs: walk.dueAtMs,
    })),
  };
}
