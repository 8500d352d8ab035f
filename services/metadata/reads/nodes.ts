import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  ListCopiesRequest,
  ListCopiesResponseSchema,
  ListNodesResponseSchema,
} from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { Runner } from "../store/statement";

/** All nodes with their volumes. */
export async function listNodes(runner: Runner): Promise<MessageInitShape<typeof ListNodesResponseSchema>> {
  const nodes = await runner.db.selectFrom("nodes").selectAll().orderBy("node_id").execute();
  const volumes = await runner.db.selectFrom("volumes").selectAll().orderBy("volume_id").execute();
  return {
    nodes: nodes.map((node) => ({
      nodeId: node.node_id,
      address: node.address,
      zone: node.zone,
      registeredAtMs: BigInt(node.registered_at_ms),
      volumes: volumes
        .filter((volume) => volume.node_id === node.node_id)
        .map((volume) => ({
          volumeId: volume.volume_id,
          fenced: volume.fenced_at_ms !== null,
          fenceDetail: volume.fence_detail,
          draining: volume.draining_at_ms !== null,
          removed: volume.removed_at_ms !== null,
        })),
    })),
  };
}

/** One page of what a volume should hold, condemned pairs too, in blob id order (P8). */
export async function listCopies(
  runner: Runner,
  request: ListCopiesRequest,
): Promise<MessageInitShape<typeof ListCopiesResponseSchema>> {
  let query = runner.db
    .selectFrom("copies")
    .select(["blob_id", "volume_id", "state"])
    .where("volume_id", "=", request.volumeId)
    .where("blob_id", ">", request.afterBlobId);
  if (request.throughBlobId !== "") query = query.where("blob_id", "<=", request.throughBlobId);
  const rows = await query
    .orderBy("blob_id")
    .limit(request.limit + 1)
    .execute();
  return {
    copies: rows
      .slice(0, request.limit)
      .map((row) => ({ blobId: row.blob_id, volumeId: row.volume_id, state: row.state })),
    more: rows.length > request.limit,
  };
}
