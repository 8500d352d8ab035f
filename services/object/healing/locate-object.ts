import type { MessageInitShape } from "@bufbuild/protobuf";
import { CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { LocateObjectRequest, LocateObjectResponseSchema } from "../../../gen/cairn/object/v1/object_pb";
import type { Call } from "../../common/rpc/call";
import type { ClusterView } from "../cluster-view";
import type { MetadataClient } from "../commit";
import { infoOf } from "../object-info";

/** Where the bytes of a version lie. */
export async function locateObject(
  { metadata, cluster }: { readonly metadata: MetadataClient; readonly cluster: ClusterView },
  { bucket, key, versionId }: LocateObjectRequest,
  call: Call,
): Promise<MessageInitShape<typeof LocateObjectResponseSchema>> {
  const bucketId = bucket?.bucketId ?? "";
  const { version, blobs } = await metadata.getVersion({ bucketId, key, versionId }, call);
  return {
    ...(version === undefined ? {} : { info: infoOf(version) }),
    blobs: blobs.map(({ blobId, sizeBytes, copies }) => ({
      blobId,
      sizeBytes,
      copies: copies.map(({ volumeId, state }) => {
        const node = cluster.volume(volumeId)?.node;
        return {
          volumeId,
          nodeId: node?.nodeId ?? cluster.registered(volumeId)?.nodeId ?? "",
          address: node?.address ?? "",
          zone: node?.zone ?? "",
          state: state === CopyState.GOOD ? "good" : "bad",
          alive: node?.alive ?? false,
        };
      }),
    })),
  };
}
