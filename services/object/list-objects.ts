import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ListObjectsRequest, ListObjectsResponseSchema } from "../../gen/cairn/object/v1/object_pb";
import type { Call } from "../common/rpc/call";
import type { MetadataClient } from "./commit";
import { infoOf } from "./object-info";

/** One page, as the metadata's index gives it. */
export async function listObjects(
  metadata: MetadataClient,
  request: ListObjectsRequest,
  call: Call,
): Promise<MessageInitShape<typeof ListObjectsResponseSchema>> {
  const { bucket, prefix, delimiter, after, limit } = request;
  const bucketId = bucket?.bucketId ?? "";
  const page = await metadata.listVersions({ bucketId, prefix, delimiter, after, limit }, call);
  const { commonPrefixes, more, nextAfter } = page;
  return { objects: page.versions.map(infoOf), commonPrefixes, more, nextAfter };
}
