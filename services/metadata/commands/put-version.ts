import { nameNewBlobs, newBlobsRefusal } from "../commit/blobs";
import { unmetCondition } from "../commit/conditions";
import { extentsRefusal, ownExtents } from "../commit/extents";
import type { Handler } from "../commit/handler";
import { passesQuota } from "../commit/quota";
import { refuse } from "../commit/refusal";
import { currentVersion, insertVersion, releaseRemoved, replacedBy } from "../commit/versions";
import { checksumsToColumn, headersToColumn } from "../store/content-columns";

/** The linearization point of a put and of a copy (D§5): everything is checked, then everything is written. */
export const putVersion: Handler<"putVersion"> = {
  rows: (change) => 1 + change.extents.length + 4 * change.newBlobs.length,
  newBlobs: (change) => change.newBlobs,
  locks: (_batch, change, wanted) => wanted.key(change.bucketId, change.key),
  blobs: (_batch, change, wanted) => {
    const brought = new Set(change.newBlobs.map((blob) => blob.blobId));
    for (const { blobId } of change.extents) if (!brought.has(blobId)) wanted.blobs.add(blobId);
  },
  decide: async (batch, change, stamp) => {
    const { bucketId, key, content, extents, newBlobs } = change;
    const bucket = await batch.bucket(bucketId);
    if (bucket === undefined) return refuse("NO_SUCH_BUCKET", { resource: bucketId });
    const resource = `${bucket.name}/${key}`;
    if (change.configVersion !== BigInt(bucket.config_version)) return refuse("CONFIG_CHANGED", { resource });
    if (content === undefined) return refuse("INVALID_ARGUMENT", { message: "The version has no content." });
    if (key.includes("\0"))
      return refuse("INVALID_KEY_NAME", { message: "A key may not hold NUL.", resource });

    const current = await currentVersion(batch, { bucketId, key });
    const unmet = unmetCondition(change.conditions, current);
    if (unmet !== undefined) return refuse(unmet.reason, { message: unmet.message, resource });
    const wrong =
      (await newBlobsRefusal(batch, newBlobs)) ??
      (await extentsRefusal(batch, extents, newBlobs, content.sizeBytes));
    if (wrong !== undefined) return refuse(wrong.reason, { message: wrong.message, resource });
    const replaced = await replacedBy(batch, bucket, key, current);
    const sizeBytes = Number(content.sizeBytes);
    if (await passesQuota(batch, bucket, sizeBytes - (replaced?.size_bytes ?? 0)))
      return refuse("QUOTA_EXCEEDED", { resource: bucket.name });

    nameNewBlobs(batch, newBlobs);
    const version = insertVersion(
      batch,
      stamp,
      bucket,
      key,
      { current, replaced },
      {
        delete_marker: 0,
        size_bytes: sizeBytes,
        etag: content.etag,
        headers: headersToColumn(content.headers),
        checksums: checksumsToColumn(content.checksums),
      },
    );
    // New extents before old ones go: a copy onto itself must not lose its blobs.
    await ownExtents(batch, bucketId, stamp.number, extents);
    releaseRemoved(batch, bucketId, replaced);
    batch.logChange(stamp, bucketId, "put", key, version.versionId);
    return {
      logged: true,
      result: {
        case: "version",
        value: {
          versionId: version.versionId,
          createdAtMs: BigInt(version.createdAtMs),
          changed: true,
          deleteMarker: false,
        },
      },
    };
  },
};
