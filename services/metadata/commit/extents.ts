import type { Extent } from "../../../gen/cairn/common/v1/common_pb";
import type { NewBlob } from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { Reason } from "../../common/errors/table";
import { chunked } from "../store/chunked";
import { statement } from "../store/statement";
import type { ExtentRow } from "../store/tables";
import type { Batch } from "./batch";
import { queueDeletes } from "./blobs";

const mostExtents = 100_000;

const insertExtent = statement<ExtentRow>()((db, mark) =>
  db.insertInto("extents").values({
    bucket_id: mark("bucket_id"),
    owner_sequence: mark("owner_sequence"),
    start_bytes: mark("start_bytes"),
    blob_id: mark("blob_id"),
    offset_bytes: mark("offset_bytes"),
    length_bytes: mark("length_bytes"),
  }),
);
const deleteExtents = statement<{ bucketId: string; owner: number }>()((db, mark) =>
  db
    .deleteFrom("extents")
    .where("bucket_id", "=", mark("bucketId"))
    .where("owner_sequence", "=", mark("owner"))
    .returning("blob_id"),
);
const anyExtent = statement<{ blobId: string }>()((db, mark) =>
  db.selectFrom("extents").select("blob_id").where("blob_id", "=", mark("blobId")).limit(1),
);
const queueBlob = statement<{ blobId: string; dueAtMs: number }>()((db, mark) =>
  db
    .insertInto("delete_queue")
    .values({ blob_id: mark("blobId"), volume_id: "", due_at_ms: mark("dueAtMs") })
    .onConflict((oc) =>
      oc.columns(["blob_id", "volume_id"]).doUpdateSet((eb) => ({ due_at_ms: eb.ref("excluded.due_at_ms") })),
    ),
);

/** Why these extents cannot be a content of that size, or undefined. Changes nothing. */
export async function extentsRefusal(
  batch: Batch,
  extents: readonly Extent[],
  brought: readonly NewBlob[],
  sizeBytes: bigint,
): Promise<{ reason: Reason; message: string } | undefined> {
  if (extents.length > mostExtents)
    return { reason: "TOO_MANY_EXTENTS", message: `${extents.length} extents are more than ${mostExtents}.` };
  const sizes = new Map(brought.map((blob) => [blob.blobId, Number(blob.sizeBytes)]));
  const named = new Set(extents.map((extent) => extent.blobId));
  for (const blobId of sizes.keys())
    if (!named.has(blobId)) return { reason: "INVALID_ARGUMENT", message: `No extent names blob ${blobId}.` };
  const referenced = [...named].filter((blobId) => !sizes.has(blobId));
  for (const [blobId, size] of await liveBlobSizes(batch, referenced)) sizes.set(blobId, size);
  let total = 0n;
  for (const { blobId, offsetBytes, lengthBytes } of extents) {
    const size = sizes.get(blobId);
    if (size === undefined) return { reason: "SOURCE_GONE", message: `Blob ${blobId} has no extent left.` };
    if (lengthBytes === 0n || offsetBytes + lengthBytes > BigInt(size))
      return { reason: "INVALID_ARGUMENT", message: `An extent lies outside blob ${blobId}.` };
    total += lengthBytes;
  }
  return total === sizeBytes
    ? undefined
    : { reason: "INVALID_ARGUMENT", message: `The extents hold ${total} bytes, not ${sizeBytes}.` };
}

/** Sizes of those blobs that still have an extent (P2). On PostgreSQL their rows are locked by now. */
async function liveBlobSizes(batch: Batch, blobIds: readonly string[]): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const chunk of chunked(blobIds, 500)) {
    const rows = await batch.db
      .selectFrom("blobs")
      .select(["blob_id", "size_bytes"])
      .where("blob_id", "in", chunk)
      .where((eb) =>
        eb.exists(
          eb.selectFrom("extents").select("blob_id").whereRef("extents.blob_id", "=", "blobs.blob_id"),
        ),
      )
      .execute();
    for (const row of rows) sizes.set(row.blob_id, row.size_bytes);
  }
  return sizes;
}

/** Gives the extents to a version or part, each with where it begins in the content. */
export async function ownExtents(
  batch: Batch,
  bucketId: string,
  owner: number,
  extents: readonly Extent[],
): Promise<void> {
  let start = 0;
  const rows = extents.map((extent): ExtentRow => {
    const row = {
      bucket_id: bucketId,
      owner_sequence: owner,
      start_bytes: start,
      blob_id: extent.blobId,
      offset_bytes: Number(extent.offsetBytes),
      length_bytes: Number(extent.lengthBytes),
    };
    start += row.length_bytes;
    return row;
  });
  const [only] = rows;
  if (only !== undefined && rows.length === 1) batch.write(insertExtent(batch, only));
  else for (const chunk of chunked(rows, 500)) await batch.db.insertInto("extents").values(chunk).execute();
}

/**
 * Takes the extents from their owners. Blobs that lost their last one enter the delete queue here, in the same
 * transaction (P6).
 */
export async function releaseExtents(
  batch: Batch,
  bucketId: string,
  owners: readonly number[],
): Promise<void> {
  const lost = new Set<string>();
  const [only] = owners;
  if (only !== undefined && owners.length === 1) {
    for (const row of await deleteExtents(batch, { bucketId, owner: only })) lost.add(row.blob_id);
  } else {
    for (const chunk of chunked(owners, 500)) {
      const rows = await batch.db
        .deleteFrom("extents")
        .where("bucket_id", "=", bucketId)
        .where("owner_sequence", "in", chunk)
        .returning("blob_id")
        .execute();
      for (const row of rows) lost.add(row.blob_id);
    }
  }
  await queueUnreferenced(batch, [...lost]);
}

/** The same for the versions that the batch removed: all at once, at its end. */
export async function releaseGathered(batch: Batch): Promise<void> {
  if (batch.released.length === 0) return;
  const taken = await Promise.all(batch.released.splice(0).map((place) => deleteExtents(batch, place)));
  await queueUnreferenced(batch, [...new Set(taken.flat().map((row) => row.blob_id))]);
}

async function queueUnreferenced(batch: Batch, blobIds: readonly string[]): Promise<void> {
  const dueAtMs = batch.nowMs + batch.config.deleteGraceMs;
  if (blobIds.length <= batch.config.batchCommands) {
    const held = await Promise.all(blobIds.map((blobId) => anyExtent(batch, { blobId })));
    for (const [index, blobId] of blobIds.entries())
      if (held[index]?.length === 0) batch.write(queueBlob(batch, { blobId, dueAtMs }));
    return;
  }
  for (const chunk of chunked(blobIds, 500)) {
    const held = await batch.db
      .selectFrom("extents")
      .select("blob_id")
      .distinct()
      .where("blob_id", "in", chunk)
      .execute();
    const referenced = new Set(held.map((row) => row.blob_id));
    const free = chunk.filter((blobId) => !referenced.has(blobId));
    await queueDeletes(
      batch,
      free.map((blobId) => ({ blobId, volumeId: "" })),
      dueAtMs,
    );
  }
}

/** Whether any version, part or removed version still names the blob: the proof of P6. */
export async function hasExtent(batch: Batch, blobId: string): Promise<boolean> {
  return (await anyExtent(batch, { blobId })).length > 0;
}
