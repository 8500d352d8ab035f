import type { AcceptHistoryRequest } from "../../../gen/cairn/object/v1/object_pb";
import { CairnError } from "../../common/errors/cairn-error";
import type { Call } from "../../common/rpc/call";
import type { MetadataClient } from "../commit";
import { followHistory } from "../histories";
import type { OperatorDependencies } from "./operator-words";
import { volumesOf } from "./volumes-of";

/**
 * An operator says that the metadata's history is the true one (P7): volumes that followed another follow it, as far
 * as it is now. From then on what it does not name is an orphan, and what it deletes is deleted.
 */
export async function acceptHistory(
  { cluster, heartbeat }: Pick<OperatorDependencies, "cluster" | "heartbeat">,
  metadata: MetadataClient,
  { id }: AcceptHistoryRequest,
  call: Call,
): Promise<{ volumeIds: string[] }> {
  await heartbeat.refresh(call);
  const known = id === "" ? cluster.registry().filter(({ removed }) => !removed) : undefined;
  const volumeIds: string[] = [];
  for (const { volumeId } of known ?? (await volumesOf({ cluster, heartbeat }, id, call))) {
    const volume = cluster.volume(volumeId);
    if (volume === undefined || !volume.node.alive) {
      if (known !== undefined) continue;
      throw new CairnError("SERVICE_UNAVAILABLE", {
        message: `Volume ${volumeId} does not answer: it cannot be told.`,
        resource: volumeId,
      });
    }
    if ((await followHistory(metadata, volume, call)) !== "") {
      const { current } = await metadata.checkHistory({}, call);
      if (current === undefined) throw new CairnError("METADATA_UNAVAILABLE");
      await volume.node.client.followHistory({ volumeId, position: current, accept: true }, call);
      volume.history = current;
      volumeIds.push(volumeId);
    }
    volume.deleteHold = "";
  }
  return { volumeIds };
}
