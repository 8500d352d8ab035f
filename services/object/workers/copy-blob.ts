import { create } from "@bufbuild/protobuf";
import { crc32c } from "@node-rs/crc32";
import {
  type ReadBlobResponse,
  type WriteBlobRequest,
  WriteBlobRequestSchema,
} from "../../../gen/cairn/storage/v1/storage_pb";
import { CairnError } from "../../common/errors/cairn-error";
import type { Call } from "../../common/rpc/call";
import type { StorageClient } from "../cluster-view";

export type BlobFacts = { readonly blobId: string; readonly sizeBytes: bigint; readonly crc32c: number };
type End = { readonly client: StorageClient; readonly volumeId: string };

/** The source could not give the blob, or gave another one. */
export class SourceFailed extends Error {}

/**
 * Streams a blob from one replica to a new one. The finish is sent only when the checksum of all that came is the
 * blob's, so that a wrong byte is never copied. Throws SourceFailed, or what the target answered. Retry: yes.
 */
export async function copyBlob(blob: BlobFacts, source: End, target: End, call: Call): Promise<void> {
  let sourceError: unknown;
  const messages = async function* (): AsyncGenerator<WriteBlobRequest> {
    const { blobId, sizeBytes } = blob;
    yield create(WriteBlobRequestSchema, {
      part: { case: "header", value: { blobId, sizeBytes, volumeId: target.volumeId } },
    });
    try {
      yield* verifiedChunks(blob, source, call);
    } catch (error) {
      sourceError = error;
      throw error;
    }
    yield create(WriteBlobRequestSchema, {
      part: { case: "finish", value: { sizeBytes, crc32c: blob.crc32c } },
    });
  };
  try {
    await target.client.writeBlob(messages(), call);
  } catch (error) {
    if (sourceError !== undefined) throw new SourceFailed("the source failed", { cause: sourceError });
    throw error;
  }
}

async function* verifiedChunks(blob: BlobFacts, source: End, call: Call): AsyncGenerator<WriteBlobRequest> {
  let crc = 0;
  let complete = false;
  const request = { blobId: blob.blobId, volumeId: source.volumeId, lengthBytes: blob.sizeBytes };
  const responses: AsyncIterable<ReadBlobResponse> = source.client.readBlob(request, call);
  for await (const { part } of responses) {
    if (part.case === "chunk") {
      crc = crc32c(part.value, crc);
      yield create(WriteBlobRequestSchema, { part: { case: "chunk", value: part.value } });
    } else if (part.case === "trailer") {
      complete = part.value.sentBytes === blob.sizeBytes;
    }
  }
  if (!complete)
    throw new CairnError("SERVICE_UNAVAILABLE", { message: "The replica's stream was cut off." });
  if (crc >>> 0 !== blob.crc32c >>> 0) throw new CairnError("DAMAGED_BLOB", { resource: blob.blobId });
}
