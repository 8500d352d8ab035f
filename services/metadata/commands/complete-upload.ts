import { sql } from "kysely";
import type { CompletedPart } from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { Batch } from "../commit/batch";
import { unmetCondition } from "../commit/conditions";
import { releaseExtents } from "../commit/extents";
import type { Handler } from "../commit/handler";
import { passesQuota } from "../commit/quota";
import { refuse } from "../commit/refusal";
import { lockUpload, openUpload, wantPartBlobs } from "../commit/uploads";
import { currentVersion, insertVersion, releaseRemoved, replacedBy } from "../commit/versions";
import { checksumsToColumn, headersToColumn } from "../store/content-columns";
import type { PartRow, UploadRow } from "../store/tables";

const mostExtents = 100_000;

/** Makes the version that the parts are: their extents change owner, no byte moves (P2). */
export const completeUpload: Handler<"completeUpload"> = {
  rows: (change) => 2 * change.parts.length,
  locks: (batch, change, wanted) => lockUpload(batch, change.uploadId, wanted, true),
  blobs: (batch, change, wanted) => wantPartBlobs(batch, change.uploadId, wanted),
  decide: async (batch, change, stamp) => {
    const { uploadId, content } = change;
    const upload = await openUpload(batch, uploadId);
    const bucket = upload && (await batch.bucket(upload.bucket_id));
    if (upload === undefined || bucket === undefined) return refuse("NO_SUCH_UPLOAD", { resource: uploadId });
    const { bucket_id: bucketId, key } = upload;
    const resource = `${bucket.name}/${key}`;
    if (change.configVersion !== BigInt(bucket.config_version)) return refuse("CONFIG_CHANGED", { resource });
    if (content === undefined) return refuse("INVALID_ARGUMENT", { message: "The version has no content." });
    const current = await currentVersion(batch, { bucketId, key });
    const unmet = unmetCondition(change.conditions, current);
    if (unmet !== undefined) return refuse(unmet.reason, { message: unmet.message, resource });

    const parts = await partRows(batch, uploadId);
    const used = usedParts(parts, change.parts);
    if (typeof used === "string") return refuse("INVALID_PART", { message: used, resource });
    const sizeBytes = used.reduce((sum, part) => sum + part.size_bytes, 0);
    if (BigInt(sizeBytes) !== content.sizeBytes)
      return refuse("INVALID_ARGUMENT", {
        message: `The parts hold ${sizeBytes} bytes, not ${content.sizeBytes}.`,
        resource,
      });
    if ((await extentCount(batch, upload)) > mostExtents) return refuse("TOO_MANY_EXTENTS", { resource });
    const replaced = await replacedBy(batch, bucket, key, current);
    if (await passesQuota(batch, bucket, sizeBytes - (replaced?.size_bytes ?? 0)))
      return refuse("QUOTA_EXCEEDED", { resource: bucket.name });

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
        headers: content.headers === undefined ? upload.headers : headersToColumn(content.headers),
        checksums: checksumsToColumn(content.checksums),
      },
    );
    await dropUnused(batch, upload, parts, used);
    await moveExtents(batch, upload, stamp.number);
    await batch.db.deleteFrom("parts").where("upload_id", "=", uploadId).execute();
    await batch.db.deleteFrom("uploads").where("upload_id", "=", uploadId).execute();
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

type KnownPart = Pick<PartRow, "part_number" | "sequence" | "size_bytes" | "etag">;

function partRows(batch: Batch, uploadId: string): Promise<KnownPart[]> {
  return batch.db
    .selectFrom("parts")
    .select(["part_number", "sequence", "size_bytes", "etag"])
    .where("upload_id", "=", uploadId)
    .orderBy("part_number")
    .execute();
}

/** The parts that were named, in ascending order; or what is wrong with the list. */
function usedParts(parts: readonly KnownPart[], named: readonly CompletedPart[]): KnownPart[] | string {
  const byNumber = new Map(parts.map((part) => [part.part_number, part]));
  const used: KnownPart[] = [];
  for (const { partNumber, etag } of named) {
    const part = byNumber.get(partNumber);
    if (part === undefined) return `Part ${partNumber} was not uploaded.`;
    if (etag !== "" && etag !== part.etag)
      return `Part ${partNumber} has the ETag ${part.etag}, not ${etag}.`;
    if ((used.at(-1)?.part_number ?? 0) >= partNumber) return "Parts must be named in ascending order.";
    used.push(part);
  }
  return used;
}

async function extentCount(batch: Batch, upload: UploadRow): Promise<number> {
  const row = await batch.db
    .selectFrom("extents")
    .innerJoin("parts", "parts.sequence", "extents.owner_sequence")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("parts.upload_id", "=", upload.upload_id)
    .where("extents.bucket_id", "=", upload.bucket_id)
    .executeTakeFirstOrThrow();
  return row.count;
}

/** Parts that the list left out lose their bytes. */
async function dropUnused(
  batch: Batch,
  upload: UploadRow,
  parts: readonly KnownPart[],
  used: readonly KnownPart[],
) {
  const kept = new Set(used.map((part) => part.part_number));
  const unused = parts.filter((part) => !kept.has(part.part_number));
  if (unused.length === 0) return;
  await releaseExtents(
    batch,
    upload.bucket_id,
    unused.map((part) => part.sequence),
  );
  for (const part of unused)
    await batch.db
      .deleteFrom("parts")
      .where("upload_id", "=", upload.upload_id)
      .where("part_number", "=", part.part_number)
      .execute();
}

/** One statement whatever the number of parts: each part's extents begin where the parts before it end. */
async function moveExtents(batch: Batch, upload: UploadRow, owner: number): Promise<void> {
  await sql`
    with places as (
      select sequence, cast(sum(size_bytes) over (order by part_number) - size_bytes as bigint) as base
      from parts where upload_id = ${upload.upload_id}
    )
    update extents set owner_sequence = ${owner}, start_bytes = start_bytes + places.base
    from places
    where extents.bucket_id = ${upload.bucket_id} and extents.owner_sequence = places.sequence`.execute(
    batch.db,
  );
}
