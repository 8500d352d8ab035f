import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { MetadataService } from "../../../gen/cairn/metadata/v1/metadata_pb";
import {
  type GetObjectHeader,
  type GetObjectRequest,
  type ObjectInfo,
  ObjectService,
  type PutObjectHeader,
  type PutObjectRequestSchema,
} from "../../../gen/cairn/object/v1/object_pb";
import { StorageService } from "../../../gen/cairn/storage/v1/storage_pb";
import { newId } from "../../common/ids/uuid";
import type { RunningService } from "../../common/lifecycle/running-service";
import { silentLogger } from "../../common/log/logger";
import { createMetrics } from "../../common/metrics/metrics";
import { type Call, newCall } from "../../common/rpc/call";
import { localClient } from "../../common/rpc/local";
import type { ServiceClient } from "../../common/rpc/service";
import { systemClock } from "../../common/time/clock";
import type { MetadataClient } from "../commit";
import { defaultObjectConfig, defaultWorkerLimits, type ObjectConfig } from "../config";
import { openObject } from "../open";
import { faultyMetadata, faultyStorage, MetadataFaults, NodeFaults } from "./faults";

/** How a test opens the real services; this folder may not import them. */
export type Openers = {
  openNode(folder: string): Promise<RunningService<typeof StorageService>>;
  openMetadata(folder: string): Promise<RunningService<typeof MetadataService>>;
};

export type TestNode = {
  readonly folder: string;
  readonly faults: NodeFaults;
  /** The node itself, with no fault in between. */
  readonly storage: ServiceClient<typeof StorageService>;
};
export type Bucket = { readonly bucketId: string; readonly configVersion: bigint };
type PutOptions = Partial<Pick<PutObjectHeader, "headers" | "conditions" | "algorithms" | "sizeBytes">> & {
  chunkBytes?: number;
  finish?: MessageInitShape<typeof import("../../../gen/cairn/object/v1/object_pb").PutObjectFinishSchema>;
  call?: Call;
};

/** Short times, so that a test waits for a condition and not for a clock. */
export const quickConfig: ObjectConfig = {
  ...defaultObjectConfig,
  write: { ...defaultObjectConfig.write, dropMs: 300, stallMs: 2_000, avoidMs: 200 },
  read: { ...defaultObjectConfig.read, stallMs: 300, lastStallMs: 3_000, avoidMs: 200 },
  commit: { ...defaultObjectConfig.commit, unknownWaitMs: 1_000, unavailableWaitMs: 100 },
  heartbeat: {
    ...defaultObjectConfig.heartbeat,
    everyMs: 50,
    historyEveryMs: 50,
    timeoutMs: 2_000,
    firstWritableMs: 2_500,
  },
  workers: false,
};

export const quickWorkers = {
  repair: { ...defaultWorkerLimits.repair, idleMs: 50, retryMs: 50 },
  deletes: { ...defaultWorkerLimits.deletes, idleMs: 50, visibilityMs: 2_000 },
  orphans: { ...defaultWorkerLimits.orphans, idleMs: 100, graceMs: 1_000, pauseMs: 0 },
  moves: { ...defaultWorkerLimits.moves, idleMs: 50, lookAgainMs: 50, waitMs: 200 },
  scrub: { ...defaultWorkerLimits.scrub, idleMs: 50, awayMs: 100 },
  pace: defaultWorkerLimits.pace,
  purge: { ...defaultWorkerLimits.purge, idleMs: 50 },
  lost: { ...defaultWorkerLimits.lost, idleMs: 50, graceMs: 500 },
};

/** A whole store in one process: real nodes and real metadata, faults in between. */
export class TestStore {
  private constructor(
    readonly object: ServiceClient<typeof ObjectService>,
    readonly metadata: MetadataClient,
    readonly metadataFaults: MetadataFaults,
    readonly nodes: readonly TestNode[],
    readonly close: () => Promise<void>,
  ) {}

  static async open(
    folder: string,
    openers: Openers,
    config = quickConfig,
    nodeCount = 3,
  ): Promise<TestStore> {
    const metadata = await openers.openMetadata(folder);
    const metadataFaults = new MetadataFaults();
    const metadataClient = localClient(MetadataService, metadata.service);
    const nodes: TestNode[] = [];
    const running: RunningService<typeof StorageService>[] = [];
    const clients = [];
    for (let index = 0; index < nodeCount; index++) {
      const own = join(folder, `node-${index}`);
      const service = await openers.openNode(own);
      const node = {
        folder: own,
        faults: new NodeFaults(),
        storage: localClient(StorageService, service.service),
      };
      running.push(service);
      nodes.push(node);
      clients.push({ address: `node-${index}`, client: faultyStorage(node.storage, node.faults) });
    }
    const object = await openObject({
      metadata: faultyMetadata(metadataClient, metadataFaults),
      nodes: clients,
      config,
      clock: systemClock,
      random: Math.random,
      log: silentLogger,
      metrics: createMetrics({ defaults: false }),
    });
    const close = async () => {
      await object.close();
      await Promise.all(running.map((service) => service.close()));
      await metadata.close();
    };
    return new TestStore(
      localClient(ObjectService, object.service),
      metadataClient,
      metadataFaults,
      nodes,
      close,
    );
  }

  async createBucket(): Promise<Bucket> {
    const value = { bucketId: newId(), name: `bucket-${newId().slice(-12)}`, ownerId: newId() };
    const { outcomes } = await this.metadata.execute(
      { commands: [{ id: newId(), change: { case: "createBucket", value } }] },
      newCall(),
    );
    const result = outcomes[0]?.result;
    if (result?.case !== "bucket") throw new Error(`no bucket: ${JSON.stringify(result?.value)}`);
    return { bucketId: value.bucketId, configVersion: result.value.bucket?.configVersion ?? 0n };
  }

  async put(bucket: Bucket, key: string, body: Uint8Array, options: PutOptions = {}): Promise<ObjectInfo> {
    const { chunkBytes, finish, call, ...rest } = options;
    const messages = async function* (): AsyncGenerator<MessageInitShape<typeof PutObjectRequestSchema>> {
      yield { part: { case: "header", value: { bucket, key, ...rest } } };
      for (const chunk of chunksOf(body, chunkBytes ?? 256 * 1024))
        yield { part: { case: "chunk", value: chunk } };
      yield { part: { case: "finish", value: finish ?? { sizeBytes: BigInt(body.length) } } };
    };
    const { info } = await this.object.putObject(messages(), call ?? newCall());
    if (info === undefined) throw new Error("no info");
    return info;
  }

  async get(
    bucket: Bucket,
    key: string,
    options: Partial<Pick<GetObjectRequest, "versionId" | "range" | "conditions">> = {},
  ): Promise<{ header: GetObjectHeader; body: Buffer }> {
    let header: GetObjectHeader | undefined;
    let sentBytes: bigint | undefined;
    const chunks: Uint8Array[] = [];
    for await (const { part } of this.object.getObject({ bucket, key, ...options }, newCall())) {
      if (part.case === "header") header = part.value;
      else if (part.case === "chunk") chunks.push(part.value);
      else if (part.case === "trailer") sentBytes = part.value.sentBytes;
    }
    const body = Buffer.concat(chunks);
    if (header === undefined || sentBytes !== BigInt(body.length)) throw new Error("the stream was cut off");
    return { header, body };
  }

  /** Where the blobs of a key lie, by blob: its good and bad copies. */
  async places(bucket: Bucket, key: string) {
    const { blobs } = await this.metadata.getVersion({ bucketId: bucket.bucketId, key }, newCall());
    return blobs;
  }

  /** All replicas on all nodes, as the nodes themselves tell now. */
  async replicas(): Promise<number> {
    const nodes = await Promise.all(this.nodes.map((node) => node.storage.getNode({}, newCall())));
    return nodes.flatMap((node) => node.volumes).reduce((sum, volume) => sum + Number(volume.blobs), 0);
  }

  async queues(): Promise<{ repairs: bigint; deletes: bigint }> {
    return this.metadata.getQueues({}, newCall());
  }

  /** Flips a bit in the middle of a replica's file. False when the node has none. */
  async damage(node: TestNode, blobId: string): Promise<boolean> {
    const path = await fileOf(node.folder, blobId);
    if (path === undefined) return false;
    const file = await open(path, "r+");
    try {
      const at = Math.floor((await file.stat()).size / 2);
      const byte = Buffer.alloc(1);
      await file.read(byte, 0, 1, at);
      byte[0] = (byte[0] ?? 0) ^ 0x10;
      await file.write(byte, 0, 1, at);
      await file.sync();
    } finally {
      await file.close();
    }
    return true;
  }
}

export async function fileOf(folder: string, blobId: string): Promise<string | undefined> {
  const entries = await readdir(folder, { recursive: true });
  const name = entries.find((entry) => entry.replaceAll("-", "").includes(blobId.replaceAll("-", "")));
  return name === undefined ? undefined : join(folder, name);
}

function* chunksOf(body: Uint8Array, chunkBytes: number): Generator<Uint8Array> {
  for (let at = 0; at < body.length; at += chunkBytes) yield body.subarray(at, at + chunkBytes);
}

/** Asks until the answer is true; fails after 20 s. */
export async function eventually(what: string, ask: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await ask())) {
    if (performance.now() > deadline) throw new Error(`did not happen: ${what}`);
    await systemClock.sleep(20);
  }
}
