import { Versioning } from "../../../gen/cairn/common/v1/common_pb";
import type { Handler } from "../commit/handler";
import { refuse } from "../commit/refusal";
import { bucketMessage } from "../reads/bucket-message";
import type { BucketRow } from "../store/tables";

/** A name has one bucket: of a hundred racers one creates it, its owner's others meet it, the rest are refused. */
export const createBucket: Handler<"createBucket"> = {
  locks: (_batch, change, wanted) => {
    wanted.bucketNames.add(change.name);
  },
  decide: async (batch, change, stamp) => {
    const existing = await batch.db
      .selectFrom("buckets")
      .selectAll()
      .where("name", "=", change.name)
      .where("deleted_at_ms", "is", null)
      .executeTakeFirst();
    if (existing !== undefined && existing.owner_id !== change.ownerId)
      return refuse("BUCKET_TAKEN", { resource: change.name });
    if (existing !== undefined)
      return {
        keep: false,
        result: { case: "bucket", value: { bucket: bucketMessage(existing), created: false } },
      };
    const row: BucketRow = {
      bucket_id: change.bucketId,
      name: change.name,
      owner_id: change.ownerId,
      created_at_ms: stamp.atMs,
      versioning: Versioning.UNSPECIFIED,
      quota_bytes: 0,
      config_version: 1,
      deleted_at_ms: null,
    };
    if ((await batch.bucket(change.bucketId)) !== undefined)
      return refuse("INVALID_ARGUMENT", { message: `Bucket id ${change.bucketId} is in use.` });
    await batch.db.insertInto("buckets").values(row).execute();
    batch.rememberBucket(row.bucket_id, row);
    batch.logChange(stamp, row.bucket_id, "bucket-created");
    return { logged: true, result: { case: "bucket", value: { bucket: bucketMessage(row), created: true } } };
  },
};
