import type { MessageInitShape } from "@bufbuild/protobuf";
import type { GetClusterResponseSchema } from "../../gen/cairn/object/v1/object_pb";
import { VolumeState } from "../../gen/cairn/storage/v1/storage_pb";
import type { Call } from "../common/rpc/call";
import type { ClusterView } from "./cluster-view";
import type { MetadataClient } from "./commit";
import type { ObjectMetrics } from "./metrics";

const stateNames: Record<VolumeState, string> = {
  [VolumeState.UNSPECIFIED]: "",
  [VolumeState.ONLINE]: "online",
  [VolumeState.FULL]: "full",
  [VolumeState.SUSPENDED]: "suspended",
  [VolumeState.FENCED]: "fenced",
};

/** The nodes as this process sees them, and how deep the queues are. */
export async function getCluster(
  deps: { readonly cluster: ClusterView; readonly metadata: MetadataClient; readonly metrics: ObjectMetrics },
  call: Call,
): Promise<MessageInitShape<typeof GetClusterResponseSchema>> {
  const { repairs, repairsWaiting, deletes, purges } = await deps.metadata.getQueues({}, call);
  deps.metrics.queueDepth.set({ queue: "repairs" }, Number(repairs));
  deps.metrics.queueDepth.set({ queue: "deletes" }, Number(deletes));
  deps.metrics.queueDepth.set({ queue: "purges" }, Number(purges));
  return {
    queues: { repairs, repairsWaiting, deletes, purges },
    nodes: deps.cluster.nodes.map(({ nodeId, address, zone, alive, volumes }) => ({
      nodeId,
      address,
      zone,
      alive,
      volumes: volumes.map(
        ({ volumeId, state, fenceRecorded, capacityBytes, freeBytes, blobs, deleteHold }) => ({
          volumeId,
          state: stateNames[fenceRecorded ? VolumeState.FENCED : state],
          capacityBytes,
          freeBytes,
          blobs,
          deleteHold,
          draining: deps.cluster.registered(volumeId)?.draining ?? false,
          removed: deps.cluster.registered(volumeId)?.removed ?? false,
        }),
      ),
    })),
  };
}
