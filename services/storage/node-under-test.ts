import type { MessageInitShape } from "@bufbuild/protobuf";
import { StorageService, type WriteBlobRequestSchema } from "../../gen/cairn/storage/v1/storage_pb";
import { silentLogger } from "../common/log/logger";
import { createMetrics } from "../common/metrics/metrics";
import { newCall } from "../common/rpc/call";
import { localClient } from "../common/rpc/local";
import type { ServiceClient } from "../common/rpc/service";
import { type Clock, systemClock } from "../common/time/clock";
import { type StorageConfig, storageDefaults } from "./config";
import type { Disk } from "./disk";
import { summaryOf } from "./engine-suite";
import { openStorage } from "./open";

export type Client = ServiceClient<typeof StorageService>;

/** A whole node behind its contract, for tests. */
export async function openNode(disk: Disk, config: Partial<StorageConfig> = {}, clock: Clock = systemClock) {
  const metrics = createMetrics({ defaults: false });
  const node = await openStorage({
    config: { ...storageDefaults, reserveBytes: 0, folders: ["/node/one"], ...config },
    disk,
    clock,
    log: silentLogger,
    metrics,
  });
  return { ...node, metrics, client: localClient(StorageService, node.service) as Client };
}

export function requestsOf(
  blobId: string,
  content: Buffer,
  volumeId = "",
): MessageInitShape<typeof WriteBlobRequestSchema>[] {
  const requests: MessageInitShape<typeof WriteBlobRequestSchema>[] = [
    { part: { case: "header", value: { blobId, volumeId, sizeBytes: BigInt(content.length) } } },
  ];
  for (let offset = 0; offset < content.length; offset += 1_048_576)
    requests.push({ part: { case: "chunk", value: content.subarray(offset, offset + 1_048_576) } });
  const { sizeBytes, crc32c } = summaryOf(content);
  requests.push({ part: { case: "finish", value: { sizeBytes: BigInt(sizeBytes), crc32c } } });
  return requests;
}

export async function* streamOf<T>(messages: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* messages;
}

export async function put(client: Client, blobId: string, content: Buffer, volumeId = ""): Promise<string> {
  return (await client.writeBlob(streamOf(requestsOf(blobId, content, volumeId)), newCall())).volumeId;
}

export async function get(client: Client, blobId: string, volumeId: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let sentBytes: bigint | undefined;
  for await (const { part } of client.readBlob({ blobId, volumeId }, newCall())) {
    if (part.case === "chunk") chunks.push(part.value);
    if (part.case === "trailer") sentBytes = part.value.sentBytes;
  }
  const content = Buffer.concat(chunks);
  if (sentBytes !== BigInt(content.length))
    throw new Error(`the trailer says ${sentBytes}, ${content.length} came`);
  return content;
}

/** Lets everything that can run without time passing run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}
