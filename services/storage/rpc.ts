import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type GetNodeResponseSchema,
  type ReadBlobRequest,
  type ReadBlobResponseSchema,
  type ScrubProgressSchema,
  type ScrubRangeRequest,
  type ScrubRangeResponseSchema,
  type StorageService,
  VolumeState,
  type VolumeStatusSchema,
  type HistoryPosition as WirePosition,
  type WriteBlobRequest,
} from "../../gen/cairn/storage/v1/storage_pb";
import { CairnError } from "../common/errors/cairn-error";
import type { Call } from "../common/rpc/call";
import type { ServiceImpl } from "../common/rpc/service";
import type { BlobReading } from "./engine";
import type { HistoryPosition } from "./history";
import { MessagesUntilEnd } from "./messages-until-end";
import { lastBlobId, type ScrubProgress } from "./scrub-position";
import type { StorageNode } from "./storage-node";
import type { VolumeStatus } from "./volume";

const states = {
  online: VolumeState.ONLINE,
  full: VolumeState.FULL,
  suspended: VolumeState.SUSPENDED,
  fenced: VolumeState.FENCED,
} as const;

/** The contract's side of a node: messages to calls and back. */
export function storageRpc(node: StorageNode): ServiceImpl<typeof StorageService> {
  return {
    writeBlob: (requests, call) => node.whileWriting(writeBlob(node, requests, call)),
    readBlob: (request, call) => readBlob(node, request, call),
    writeSmallBlob: async ({ blobId, volumeId, content, crc32c }) => ({
      volumeId: await node.whileWriting(node.write(blobId, volumeId, content, crc32c)),
    }),
    readSmallBlob: async ({ volumeId, blobId, offsetBytes, lengthBytes }, call) => {
      const range = { offsetBytes: Number(offsetBytes), lengthBytes };
      return { content: await whole((await node.volume(volumeId).read(blobId, range, call)).chunks) };
    },
    deleteBlobs: async ({ volumeId, blobIds, confirmed, current }) => {
      await node.volume(volumeId).delete(blobIds, toPosition(confirmed), toPosition(current));
      return { deletedBlobIds: blobIds };
    },
    listBlobs: async ({ volumeId, afterBlobId, limit }) => {
      const { blobs, more, total } = await node.volume(volumeId).list(afterBlobId, limit);
      return {
        blobs: blobs.map((blob) => ({
          blobId: blob.blobId,
          sizeBytes: BigInt(blob.sizeBytes),
          ageMs: BigInt(blob.ageMs),
        })),
        more,
        total: BigInt(total),
      };
    },
    verifyBlob: async ({ volumeId, blobId }, call) => {
      const { sizeBytes, crc32c } = await node.volume(volumeId).verify(blobId, call);
      return { sizeBytes: BigInt(sizeBytes), crc32c };
    },
    scrubRange: (request, call) => scrub(node, request, call),
    getNode: async (): Promise<MessageInitShape<typeof GetNodeResponseSchema>> => ({
      nodeId: node.nodeId,
      zone: node.zone,
      volumes: node.volumes.map((volume) => fromStatus(volume.status, node.nowMs())),
    }),
    followHistory: async ({ volumeId, position, accept }) => {
      await node.volume(volumeId).followHistory(toPosition(position), accept);
      return {};
    },
  };
}

async function writeBlob(node: StorageNode, requests: AsyncIterable<WriteBlobRequest>, call: Call) {
  const messages = new MessagesUntilEnd(requests, call);
  const first = await messages.next();
  if (first?.part.case !== "header") throw new CairnError("INVALID_STREAM");
  const { blobId, volumeId, sizeBytes } = first.part.value;
  const write = await node.beginWrite(
    blobId,
    volumeId,
    sizeBytes === undefined ? undefined : Number(sizeBytes),
  );
  try {
    while (true) {
      const message = await messages.next();
      // A stream that ends without finish was cut off, whatever came.
      if (message === undefined)
        throw new CairnError("INVALID_STREAM", { message: "The stream ended before its finish." });
      if (message.part.case === "chunk") {
        const taken = write.append(message.part.value);
        if (taken !== undefined) await taken;
      } else if (message.part.case === "finish") {
        const { sizeBytes: finalBytes, crc32c } = message.part.value;
        await write.finish({ sizeBytes: Number(finalBytes), crc32c });
        return { volumeId: write.volumeId };
      } else throw new CairnError("INVALID_STREAM");
    }
  } finally {
    await write.abort();
  }
}

async function whole(chunks: BlobReading["chunks"]): Promise<Uint8Array> {
  if ("length" in chunks && chunks.length === 1 && chunks[0] !== undefined) return chunks[0];
  const pieces: Uint8Array[] = [];
  for await (const chunk of chunks) pieces.push(chunk);
  return Buffer.concat(pieces);
}

async function* readBlob(
  node: StorageNode,
  request: ReadBlobRequest,
  call: Call,
): AsyncGenerator<MessageInitShape<typeof ReadBlobResponseSchema>, void, undefined> {
  const range = { offsetBytes: Number(request.offsetBytes), lengthBytes: Number(request.lengthBytes) };
  const { sizeBytes, chunks } = await node.volume(request.volumeId).read(request.blobId, range, call);
  yield { part: { case: "header", value: { sizeBytes: BigInt(sizeBytes) } } };
  let sentBytes = 0;
  const pass = (chunk: Uint8Array) => {
    sentBytes += chunk.length;
    return { part: { case: "chunk", value: chunk } } as const;
  };
  // A small blob is in memory already: no promise for it.
  if ("length" in chunks) for (const chunk of chunks) yield pass(chunk);
  else for await (const chunk of chunks) yield pass(chunk);
  yield { part: { case: "trailer", value: { sentBytes: BigInt(sentBytes) } } };
}

async function* scrub(
  node: StorageNode,
  { volumeId, handledThroughBlobId, maxBytes, maxBlobs, bytesPerSecond }: ScrubRangeRequest,
  call: Call,
): AsyncGenerator<MessageInitShape<typeof ScrubRangeResponseSchema>, void, undefined> {
  const volume = node.volume(volumeId);
  const limits = { maxBytes: Number(maxBytes), maxBlobs, bytesPerSecond: Number(bytesPerSecond) };
  for await (const part of volume.scrub(handledThroughBlobId, limits, call)) {
    if ("blobs" in part) {
      const blobs = part.blobs.map(({ blobId, sizeBytes, ageMs, damage }) => ({
        blobId,
        sizeBytes: BigInt(sizeBytes),
        ageMs: BigInt(ageMs),
        damaged: damage !== undefined,
        detail: damage ?? "",
      }));
      yield { part: { case: "blobs", value: { blobs } } };
    } else {
      const { afterBlobId, throughBlobId, readBytes } = part;
      const endOfVolume = throughBlobId === lastBlobId;
      const total = BigInt(volume.status.blobs);
      const range = { afterBlobId, throughBlobId, endOfVolume, readBytes: BigInt(readBytes), total };
      yield { part: { case: "range", value: range } };
    }
  }
}

function fromStatus(status: VolumeStatus, nowMs: number): MessageInitShape<typeof VolumeStatusSchema> {
  return {
    volumeId: status.volumeId,
    state: states[status.standing.state],
    stateDetail: status.standing.detail,
    capacityBytes: BigInt(status.capacityBytes),
    freeBytes: BigInt(status.freeBytes),
    blobs: BigInt(status.blobs),
    ...(status.history === undefined ? {} : { history: status.history }),
    scrub: fromScrub(status.scrub, nowMs),
  };
}

function fromScrub(scrub: ScrubProgress, nowMs: number): MessageInitShape<typeof ScrubProgressSchema> {
  const ageMs = (sinceMs: number) => BigInt(Math.max(0, Math.floor(nowMs - sinceMs)));
  const { handledThroughBlobId, lastPassAtMs } = scrub;
  return {
    handledThroughBlobId,
    passBlobs: BigInt(scrub.passBlobs),
    passBytes: BigInt(scrub.passBytes),
    passDamaged: BigInt(scrub.passDamaged),
    passAgeMs: ageMs(scrub.passStartedAtMs),
    ...(lastPassAtMs === undefined ? {} : { lastPassAgeMs: ageMs(lastPassAtMs) }),
  };
}

/** Validation has made sure that a position is there. */
function toPosition(position: WirePosition | undefined): HistoryPosition {
  if (position === undefined)
    throw new CairnError("INVALID_ARGUMENT", { message: "A history position is missing." });
  const { clusterId, historyId, changeNumber, changeCommandId, markNumber, markCommandId } = position;
  return { clusterId, historyId, changeNumber, changeCommandId, markNumber, markCommandId };
}
