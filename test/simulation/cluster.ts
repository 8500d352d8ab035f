import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CopyState, MetadataService } from "../../gen/cairn/metadata/v1/metadata_pb";
import { ObjectService } from "../../gen/cairn/object/v1/object_pb";
import { StorageService } from "../../gen/cairn/storage/v1/storage_pb";
import type { Logger } from "../../services/common/log/logger";
import { createMetrics } from "../../services/common/metrics/metrics";
import { newCall } from "../../services/common/rpc/call";
import { localClient } from "../../services/common/rpc/local";
import type { ServiceClient } from "../../services/common/rpc/service";
import { defaultMetadataConfig, type MetadataConfig } from "../../services/metadata/config";
import { openMetadata } from "../../services/metadata/open";
import { defaultObjectConfig, type ObjectConfig } from "../../services/object/config";
import { openObject } from "../../services/object/open";
import { storageDefaults } from "../../services/storage/config";
import { openStorage } from "../../services/storage/open";
import { SimulatedDisk } from "../../services/storage/simulated-disk";
import type { Random } from "../faults/support/random";
import { Network, type Served } from "./world/network";
import { DiskFaults, ProcessDisk } from "./world/process-disk";
import { SimProcess } from "./world/sim-process";
import { closeDatabasesUnder } from "./world/sqlite";
import type { VirtualTime } from "./world/virtual-time";
import { losingUnsynced, makeLogBusy } from "./world/wal-sync";

export const nodeNames = ["storage-1", "storage-2", "storage-3"] as const;
export const gatewayNames = ["gateway-1", "gateway-2"] as const;
export type NodeName = (typeof nodeNames)[number];
export type GatewayName = (typeof gatewayNames)[number];

const KiB = 1024;

/** Small, so that short bodies reach segments, files, several blobs and compaction. */
const storageConfig = {
  ...storageDefaults,
  reserveBytes: 64 * KiB,
  smallBlobBytes: 8 * KiB,
  segmentBytes: 48 * KiB,
  suspendAfterMs: 3_000,
  suspensionsToFence: 1_000,
  damagesToFence: 1_000,
};

const metadataConfig: MetadataConfig = { ...defaultMetadataConfig, deleteGraceMs: 4_000 };

/**
 * Graces short, so that queues, orphans and lost volumes have their turn within a run; polls far apart, as most of a run
 * would else be spent on looking at empty queues.
 */
const objectConfig: ObjectConfig = {
  ...defaultObjectConfig,
  blobLimitBytes: 96 * KiB,
  write: { ...defaultObjectConfig.write, hiddenUploadTtlMs: 60_000, syncMs: 20_000 },
  read: { ...defaultObjectConfig.read, deleteGraceMs: 4_000 },
  heartbeat: {
    ...defaultObjectConfig.heartbeat,
    everyMs: 1_500,
    firstWritableMs: 3_000,
    historyEveryMs: 9_000,
    registryEveryMs: 10_000,
  },
  workers: {
    repair: { idleMs: 3_000, batch: 16, parallel: 2, visibilityMs: 15_000, retryMs: 2_000 },
    deletes: { idleMs: 3_000, batch: 100, visibilityMs: 10_000 },
    orphans: { idleMs: 4_000, batch: 100, graceMs: 5_000, pauseMs: 10 },
    purge: { idleMs: 7_000, batch: 250, share: 1 },
    lost: { idleMs: 6_000, graceMs: 20_000, batch: 100, pauseMs: 10 },
    moves: { idleMs: 6_000, batch: 50, stretchMs: 5_000, lookAgainMs: 2_000, waitMs: 10_000 },
    scrub: { idleMs: 8_000, intervalMs: 120_000, batch: 50, stretchMs: 5_000, awayMs: 10_000 },
    pace: { bytesPerSecond: 1024 * 1024 * KiB, share: 0.5 },
  },
};

type Node = {
  disk: SimulatedDisk;
  readonly faults: DiskFaults;
  running:
    | { process: SimProcess; disk: ProcessDisk; served: Served<typeof StorageService> | undefined }
    | undefined;
};
type Running<T> = { process: SimProcess; served: T | undefined } | undefined;

/**
 * The whole store but its HTTP edge: three storage nodes, metadata, two object services, each a process of its own on
 * a simulated network. The object services are driven as gateways drive them.
 */
export class Cluster {
  readonly network: Network;
  /** A disk was replaced in this run. */
  lostDisk = false;
  /** Replicas that counted as good when somebody found them missing or damaged, on a volume that is served. */
  readonly foundBad: string[] = [];
  readonly nodes: Record<NodeName, Node>;
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #log: Logger;
  readonly #folder: string;
  #metadata: Running<Served<typeof MetadataService>>;
  readonly #gateways: Record<GatewayName, Running<Served<typeof ObjectService>>> = {
    "gateway-1": undefined,
    "gateway-2": undefined,
  };

  /** `folder` is this run's own, for SQLite; `template` a migrated metadata database. */
  constructor(options: {
    time: VirtualTime;
    random: Random;
    log: Logger;
    folder: string;
    template: string;
  }) {
    this.#time = options.time;
    this.#random = options.random;
    this.#log = options.log;
    this.#folder = options.folder;
    this.network = new Network(options.time, options.random);
    const node = (): Node => {
      const faults = new DiskFaults();
      return { disk: this.#newDisk(), faults, running: undefined };
    };
    this.nodes = { "storage-1": node(), "storage-2": node(), "storage-3": node() };
    mkdirSync(this.#folder, { recursive: true });
    copyFileSync(options.template, this.#databasePath);
  }

  get #databasePath(): string {
    return join(this.#folder, "metadata.db");
  }

  async open(): Promise<void> {
    await Promise.all([this.startMetadata(), ...nodeNames.map((name) => this.startNode(name))]);
    await Promise.all(gatewayNames.map((name) => this.startGateway(name)));
  }

  gateway(name: GatewayName): Served<typeof ObjectService> | undefined {
    return this.#gateways[name]?.served;
  }

  get metadata(): Served<typeof MetadataService> | undefined {
    return this.#metadata?.served;
  }

  node(name: NodeName): Served<typeof StorageService> | undefined {
    return this.nodes[name].running?.served;
  }

  process(name: NodeName | GatewayName | "metadata"): SimProcess | undefined {
    if (name === "metadata") return this.#metadata?.process;
    return name.startsWith("storage")
      ? this.nodes[name as NodeName].running?.process
      : this.#gateways[name as GatewayName]?.process;
  }

  metadataClient(caller: SimProcess): ServiceClient<typeof MetadataService> {
    const client = this.network.client(MetadataService, caller, "metadata", () => this.metadata);
    return {
      ...client,
      execute: (request, call) => {
        for (const { change } of request.commands ?? [])
          if (change?.case === "queueRepair") void this.#noteReport(change.value).catch(() => {});
        return client.execute(request, call);
      },
    };
  }

  async #noteReport({ blobId = "", volumeId = "" }: { blobId?: string; volumeId?: string }): Promise<void> {
    const served = await Promise.all(
      nodeNames.map((name) =>
        this.node(name)
          ?.client.getNode({}, newCall())
          .catch(() => undefined),
      ),
    );
    if (!served.some((node) => node?.volumes.some((volume) => volume.volumeId === volumeId))) return;
    const answer = await this.metadata?.client.describeBlobs({ blobIds: [blobId] }, newCall());
    const copies = answer?.blobs[0]?.copies ?? [];
    if (copies.some((copy) => copy.volumeId === volumeId && copy.state === CopyState.GOOD))
      this.foundBad.push(`${blobId} on ${volumeId}`);
  }

  objectClient(caller: SimProcess, name: GatewayName): ServiceClient<typeof ObjectService> {
    return this.network.client(ObjectService, caller, name, () => this.gateway(name));
  }

  /** Resolves when the node serves; never when it is killed first. */
  async startNode(name: NodeName): Promise<void> {
    const node = this.nodes[name];
    if (node.running !== undefined) return;
    const process = this.#newProcess(name);
    const disk = new ProcessDisk(node.disk, process, this.#random, node.faults);
    const running: NonNullable<Node["running"]> = { process, disk, served: undefined };
    node.running = running;
    const opened = await openStorage({
      config: { ...storageConfig, folders: ["/data"] },
      disk: disk.disk,
      clock: process.clock,
      log: this.#log.child({ process: name }),
      metrics: createMetrics({ defaults: false }),
    });
    running.served = { process, client: localClient(StorageService, opened.service) };
  }

  async startMetadata(): Promise<void> {
    if (this.#metadata !== undefined) return;
    const process = this.#newProcess("metadata");
    const running: NonNullable<Running<Served<typeof MetadataService>>> = { process, served: undefined };
    this.#metadata = running;
    const opened = await openMetadata({
      database: { kind: "sqlite", path: this.#databasePath, synchronous: "BEHIND" },
      config: metadataConfig,
      clock: process.clock,
      log: this.#log.child({ process: "metadata" }),
      metrics: createMetrics({ defaults: false }),
    });
    running.served = { process, client: localClient(MetadataService, opened.service) };
  }

  async startGateway(name: GatewayName): Promise<void> {
    if (this.#gateways[name] !== undefined) return;
    const process = this.#newProcess(name);
    const running: NonNullable<Running<Served<typeof ObjectService>>> = { process, served: undefined };
    this.#gateways[name] = running;
    const opened = await openObject({
      metadata: this.metadataClient(process),
      nodes: nodeNames.map((node) => ({
        address: node,
        client: this.network.client(StorageService, process, node, () => this.node(node)),
      })),
      config: objectConfig,
      clock: process.clock,
      random: this.#random.next,
      log: this.#log.child({ process: name }),
      metrics: createMetrics({ defaults: false }),
    });
    running.served = { process, client: localClient(ObjectService, opened.service) };
  }

  /** kill -9: what it wrote is in the page cache still. */
  kill(name: NodeName | GatewayName | "metadata"): void {
    const process = this.process(name);
    if (process === undefined) return;
    process.kill();
    this.network.breakAll(process);
    if (name === "metadata") {
      closeDatabasesUnder(this.#folder);
      this.#metadata = undefined;
    } else if (name.startsWith("storage")) {
      this.nodes[name as NodeName].running?.disk.killed();
      this.nodes[name as NodeName].running = undefined;
    } else this.#gateways[name as GatewayName] = undefined;
  }

  /** Each sync of the metadata's log takes so much longer. */
  makeLogBusy(ms: number): void {
    makeLogBusy(this.#databasePath, ms);
  }

  /** A power cut: what no sync covered is lost, torn or, by chance, there. A gateway has nothing to lose but its life. */
  cutPower(name: NodeName | GatewayName | "metadata"): void {
    if (name === "gateway-1" || name === "gateway-2") {
      this.kill(name);
      return;
    }
    if (name === "metadata") {
      if (this.#metadata !== undefined)
        losingUnsynced(this.#databasePath, this.#random.next, () => this.kill("metadata"));
      return;
    }
    this.kill(name);
    this.nodes[name].disk.crash(this.#random.next);
  }

  /** An empty disk at the same address. */
  replaceDisk(name: NodeName): void {
    this.kill(name);
    this.lostDisk = true;
    const { faults } = this.nodes[name];
    Object.assign(faults, new DiskFaults());
    this.nodes[name].disk = this.#newDisk();
  }

  close(): void {
    for (const name of [...gatewayNames, ...nodeNames, "metadata"] as const) this.kill(name);
    this.makeLogBusy(0);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #newDisk(): SimulatedDisk {
    return new SimulatedDisk({
      nowMs: () => this.#time.epochMs + this.#time.nowMs,
      capacityBytes: 16 * 1024 * KiB,
    });
  }

  #newProcess(name: string): SimProcess {
    // Wall clocks differ by seconds; nothing may rest on their agreement.
    return new SimProcess(name, this.#time, this.#random.whole(4_000) - 2_000);
  }
}
