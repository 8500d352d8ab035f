import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  ListPartsRequest,
  ListPartsResponseSchema,
  ListUploadsRequest,
  ListUploadsResponseSchema,
  UploadSchema,
} from "../../../gen/cairn/metadata/v1/metadata_pb";
import { CairnError } from "../../common/errors/cairn-error";
import { checksumsFromColumn, headersFromColumn } from "../store/content-columns";
import { afterPrefix } from "../store/key-order";
import type { Runner } from "../store/statement";
import type { UploadRow } from "../store/tables";
import { bucketById } from "./buckets";

/** One page of a bucket's uploads by key and id; hidden ones and those that ended by themselves are left out. */
export async function listUploads(
  runner: Runner,
  request: ListUploadsRequest,
  nowMs: number,
): Promise<MessageInitShape<typeof ListUploadsResponseSchema>> {
  await bucketById(runner, request.bucketId);
  const { prefix, afterKey, afterUploadId, limit } = request;
  if (limit === 0 || prefix.includes("\0") || afterKey.includes("\0")) return {};
  let query = runner.db
    .selectFrom("uploads")
    .selectAll()
    .where("bucket_id", "=", request.bucketId)
    .where("hidden", "=", 0)
    .where((eb) => eb.or([eb("expires_at_ms", "is", null), eb("expires_at_ms", ">", nowMs)]));
  const end = prefix === "" ? undefined : afterPrefix(prefix);
  if (prefix !== "") query = query.where("key", ">=", prefix);
  if (end !== undefined) query = query.where("key", "<", end);
  if (afterKey !== "")
    query = query
      .where("key", ">=", afterKey)
      .where((eb) => eb.or([eb("key", ">", afterKey), eb("upload_id", ">", afterUploadId || "~")]));
  const rows = await query
    .orderBy("key")
    .orderBy("upload_id")
    .limit(limit + 1)
    .execute();
  return { uploads: rows.slice(0, limit).map(uploadMessage), more: rows.length > limit };
}

/** One page of an upload's parts by number; NO_SUCH_UPLOAD. */
export async function listParts(
  runner: Runner,
  request: ListPartsRequest,
  nowMs: number,
): Promise<MessageInitShape<typeof ListPartsResponseSchema>> {
  const upload = await runner.db
    .selectFrom("uploads")
    .selectAll()
    .where("upload_id", "=", request.uploadId)
    .executeTakeFirst();
  if (upload === undefined || (upload.expires_at_ms !== null && upload.expires_at_ms <= nowMs))
    throw new CairnError("NO_SUCH_UPLOAD", { resource: request.uploadId });
  const rows = await runner.db
    .selectFrom("parts")
    .selectAll()
    .where("upload_id", "=", request.uploadId)
    .where("part_number", ">", request.afterPartNumber)
    .orderBy("part_number")
    .limit(request.limit + 1)
    .execute();
  return {
    upload: uploadMessage(upload),
    parts: rows.slice(0, request.limit).map((row) => ({
      partNumber: row.part_number,
      sizeBytes: BigInt(row.size_bytes),
      etag: row.etag,
      addedAtMs: BigInt(row.added_at_ms),
      checksums: checksumsFromColumn(row.checksums),
    })),
    more: request.limit > 0 && rows.length > request.limit,
  };
}

function uploadMessage(row: UploadRow): MessageInitShape<typeof UploadSchema> {
  return {
    uploadId: row.upload_id,
    bucketId: row.bucket_id,
    key: row.key,
    createdAtMs: BigInt(row.created_at_ms),
    headers: headersFromColumn(row.headers),
  };
}
