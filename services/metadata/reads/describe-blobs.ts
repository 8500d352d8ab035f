import type { MessageInitShape } from "@bufbuild/protobuf";
import type { RepairTaskSchema } from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { Runner } from "../store/statement";

/** Blobs with all their pairs, condemned ones too; unknown ones are left out. */
export async function describeBlobs(
  runner: Pick<Runner, "db">,
  blobIds: readonly string[],
): Promise<MessageInitShape<typeof RepairTaskSchema>[]> {
  const blobs = await runner.db.selectFrom("blobs").selectAll().where("blob_id", "in", blobIds).execute();
  const rows = await runner.db
    .selectFrom("copies")
    .select(["blob_id", "volume_id", "state"])
    .where("blob_id", "in", blobIds)
    .orderBy("blob_id")
    .orderBy("volume_id")
    .execute();
  const copies = new Map<string, { blobId: string; volumeId: string; state: number }[]>();
  for (const { blob_id: blobId, volume_id: volumeId, state } of rows) {
    const ofBlob = copies.get(blobId) ?? [];
    ofBlob.push({ blobId, volumeId, state });
    copies.set(blobId, ofBlob);
  }
  return blobs.map((blob) => ({
    blobId: blob.blob_id,
    sizeBytes: BigInt(blob.size_bytes),
    crc32c: blob.crc32c,
    copies: copies.get(blob.blob_id) ?? [],
    attempts: 0,
  }));
}
