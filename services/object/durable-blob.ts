import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ExtentSchema } from "../../gen/cairn/common/v1/common_pb";
import type { NewBlobSchema } from "../../gen/cairn/metadata/v1/metadata_pb";

/** A blob that two nodes or more have synced (I1). */
export type DurableBlob = {
  readonly blobId: string;
  readonly sizeBytes: number;
  readonly crc32c: number;
  readonly volumeIds: string[];
  /** Copies are missing: repair makes them. */
  readonly incomplete: boolean;
};

/** How a command names all of its bytes. */
export function wholeBlob(blob: DurableBlob): MessageInitShape<typeof ExtentSchema> {
  return { blobId: blob.blobId, offsetBytes: 0n, lengthBytes: BigInt(blob.sizeBytes) };
}

/** How a command brings it. */
export function newBlob(blob: DurableBlob): MessageInitShape<typeof NewBlobSchema> {
  return { ...blob, sizeBytes: BigInt(blob.sizeBytes) };
}
