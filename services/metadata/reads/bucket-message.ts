import type { MessageInitShape } from "@bufbuild/protobuf";
import type { BucketSchema } from "../../../gen/cairn/common/v1/common_pb";
import type { BucketRow } from "../store/tables";

/** A bucket's row as the contract says it. */
export function bucketMessage(row: BucketRow): MessageInitShape<typeof BucketSchema> {
  return {
    id: row.bucket_id,
    name: row.name,
    ownerId: row.owner_id,
    createdAtMs: BigInt(row.created_at_ms),
    versioning: row.versioning,
    quotaBytes: BigInt(row.quota_bytes),
    configVersion: BigInt(row.config_version),
  };
}
