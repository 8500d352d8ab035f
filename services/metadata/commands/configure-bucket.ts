import { Versioning } from "../../../gen/cairn/common/v1/common_pb";
import type { Handler } from "../commit/handler";
import { refuse } from "../commit/refusal";
import { bucketMessage } from "../reads/bucket-message";

/** Changes what commits depend on; each change counts `config_version` up, so that what was decided before is decided again. */
export const configureBucket: Handler<"configureBucket"> = {
  locks: (_batch, change, wanted) => wanted.bucket(change.bucketId, true),
  decide: async (batch, change, stamp) => {
    const bucket = await batch.bucket(change.bucketId);
    if (bucket === undefined) return refuse("NO_SUCH_BUCKET", { resource: change.bucketId });
    if (change.configVersion !== BigInt(bucket.config_version))
      return refuse("CONFIG_CHANGED", { resource: bucket.name });
    const versioning = change.versioning ?? bucket.versioning;
    if (versioning === Versioning.UNSPECIFIED && bucket.versioning !== Versioning.UNSPECIFIED)
      return refuse("INVALID_ARGUMENT", {
        message: "Versioning that was enabled once can be suspended, not taken away.",
        resource: bucket.name,
      });
    const row = {
      ...bucket,
      versioning,
      quota_bytes: change.quotaBytes === undefined ? bucket.quota_bytes : Number(change.quotaBytes),
      config_version: bucket.config_version + 1,
    };
    await batch.db
      .updateTable("buckets")
      .set({
        versioning: row.versioning,
        quota_bytes: row.quota_bytes,
        config_version: row.config_version,
      })
      .where("bucket_id", "=", row.bucket_id)
      .execute();
    batch.rememberBucket(row.bucket_id, row);
    batch.logChange(stamp, row.bucket_id, "bucket-configured");
    return {
      logged: true,
      result: { case: "bucket", value: { bucket: bucketMessage(row), created: false } },
    };
  },
};
