import { Versioning } from "../../../gen/cairn/common/v1/common_pb";
import type { Batch, Decision, Stamp } from "../commit/batch";
import { unmetCondition } from "../commit/conditions";
import type { Handler } from "../commit/handler";
import type { KnownVersion } from "../commit/known-version";
import { refuse } from "../commit/refusal";
import {
  currentVersion,
  insertVersion,
  releaseRemoved,
  removeVersion,
  replacedBy,
  versionById,
} from "../commit/versions";
import type { BucketRow } from "../store/tables";

/** Removes one version by id, or deletes the key as the bucket's versioning says. What is absent is no error. */
export const deleteVersion: Handler<"deleteVersion"> = {
  locks: (_batch, change, wanted) => wanted.key(change.bucketId, change.key, change.versionId),
  decide: async (batch, change, stamp) => {
    const { bucketId, key, versionId } = change;
    const bucket = await batch.bucket(bucketId);
    if (bucket === undefined) return refuse("NO_SUCH_BUCKET", { resource: bucketId });
    const resource = `${bucket.name}/${key}`;
    if (change.configVersion !== BigInt(bucket.config_version)) return refuse("CONFIG_CHANGED", { resource });
    if (key.includes("\0"))
      return refuse("INVALID_KEY_NAME", { message: "A key may not hold NUL.", resource });
    const current = await currentVersion(batch, { bucketId, key });
    const unmet = unmetCondition(change.conditions, current);
    // Of a delete even the missing key is a condition that does not hold ("Conditional deletes").
    if (unmet !== undefined) return refuse("PRECONDITION_FAILED", { message: unmet.message, resource });
    if (versionId === "" && bucket.versioning !== Versioning.UNSPECIFIED)
      return mark(batch, stamp, bucket, key, current);
    const version =
      versionId === "" ? current : await versionById(batch, { bucketId, key }, versionId, current);
    if (version === undefined)
      return {
        keep: false,
        result: { case: "version", value: { versionId: "", changed: false, deleteMarker: false } },
      };
    await removeVersion(batch, stamp, bucket, key, version);
    releaseRemoved(batch, bucketId, version);
    batch.logChange(stamp, bucketId, "delete", key, version.version_id);
    return {
      logged: true,
      result: {
        case: "version",
        value: {
          versionId: version.version_id,
          createdAtMs: BigInt(version.created_at_ms),
          changed: true,
          deleteMarker: version.delete_marker === 1,
        },
      },
    };
  },
};

/** Hides the key behind a delete marker; suspended, the null version makes room for it. */
async function mark(
  batch: Batch,
  stamp: Stamp,
  bucket: BucketRow,
  key: string,
  current: KnownVersion | undefined,
): Promise<Decision> {
  const replaced = await replacedBy(batch, bucket, key, current);
  const marker = insertVersion(
    batch,
    stamp,
    bucket,
    key,
    { current, replaced },
    {
      delete_marker: 1,
      size_bytes: 0,
      etag: "",
      headers: "",
      checksums: "",
    },
  );
  releaseRemoved(batch, bucket.bucket_id, replaced);
  batch.logChange(stamp, bucket.bucket_id, "marker", key, marker.versionId);
  return {
    logged: true,
    result: {
      case: "version",
      value: {
        versionId: marker.versionId,
        createdAtMs: BigInt(marker.createdAtMs),
        changed: true,
        deleteMarker: true,
      },
    },
  };
}
