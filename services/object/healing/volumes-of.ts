import { CairnError } from "../../common/errors/cairn-error";
import type { Call } from "../../common/rpc/call";
import type { ClusterView, RegisteredVolume } from "../cluster-view";
import type { Heartbeat } from "../heartbeat";

/** The volumes of a node, or one, that are not removed, as the metadata has them now. Throws NO_SUCH_VOLUME. */
export async function volumesOf(
  deps: { readonly cluster: ClusterView; readonly heartbeat: Heartbeat },
  id: string,
  call: Call,
): Promise<RegisteredVolume[]> {
  await deps.heartbeat.refresh(call);
  const found = deps.cluster
    .registry()
    .filter((volume) => !volume.removed && (volume.volumeId === id || volume.nodeId === id));
  if (found.length > 0) return found;
  throw new CairnError("NO_SUCH_VOLUME", { message: `No node or volume ${id} is known.`, resource: id });
}
