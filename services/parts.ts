import { randomBytes } from "node:crypto";
import type { BucketService } from "../gen/cairn/bucket/v1/bucket_pb";
import type { IdentityService } from "../gen/cairn/identity/v1/identity_pb";
import type { MetadataService } from "../gen/cairn/metadata/v1/metadata_pb";
import type { ObjectService } from "../gen/cairn/object/v1/object_pb";
import type { StorageService } from "../gen/cairn/storage/v1/storage_pb";
import { openBucket } from "./bucket/open";
import type { Settings } from "./common/config/options";
import { HashThread } from "./common/hashing/hash-thread";
import type { DependencyHealth, RunningService } from "./common/lifecycle/running-service";
import type { Logger } from "./common/log/logger";
import type { Metrics } from "./common/metrics/metrics";
import type { ServiceClient } from "./common/rpc/service";
import type { DatabaseConfig } from "./common/sql/database";
import { systemClock as clock } from "./common/time/clock";
import { gatewayDefaults } from "./gateway/config";
import { openGateway } from "./gateway/open";
import { defaultIdentityConfig, openIdentity } from "./identity/open";
import { defaultMetadataConfig } from "./metadata/config";
import { openMetadata } from "./metadata/open";
import {
  defaultObjectConfig,
  defaultWorkerLimits,
  type ObjectConfig,
  type WorkerLimits,
} from "./object/config";
import { openObject } from "./object/open";
import { storageDefaults } from "./storage/config";
import { isLostFolder, type LostFolder } from "./storage/disk-failure";
import { lostNode } from "./storage/lost-node";
import { nodeDisk } from "./storage/node-disk";
import { openStorage } from "./storage/open";

/** What every part of one process shares. */
export type Host = { readonly settings: Settings; readonly log: Logger; readonly metrics: Metrics };

/** Called with the first admin key when this start made it (I9). */
export type Announce = (event: { readonly adminKey: string }) => void;

export function startStorage({ settings, log, metrics }: Host, folders: readonly string[]) {
  const config = { ...storageDefaults, folders, zone: settings.zone ?? "", reserveBytes: settings.reserve };
  return openStorage({ config, disk: nodeDisk, clock, log: log.child({ service: "storage" }), metrics });
}

/** A node of a process that has others: one whose folder is lost stands for itself, and answers nothing (I10). */
export async function startStorageOrLose(
  host: Host,
  folder: string,
): Promise<RunningService<typeof StorageService> & { readonly lost: LostFolder | undefined }> {
  try {
    return { ...(await startStorage(host, [folder])), lost: undefined };
  } catch (error) {
    if (!isLostFolder(error)) throw error;
    const lost = { folder, why: error instanceof Error ? error.message : String(error) };
    host.log.error({ folder, err: error }, "the disk of this folder failed: the store goes on without it");
    return { ...lostNode(lost, host.metrics), lost };
  }
}

export function startMetadata({ settings, log, metrics }: Host, database: DatabaseConfig) {
  const config = { ...defaultMetadataConfig, deleteGraceMs: settings.deleteGrace };
  return openMetadata({ database, config, clock, log: log.child({ service: "metadata" }), metrics });
}

export function startIdentity(
  { settings, log, metrics }: Host,
  database: DatabaseConfig,
  masterKey: Buffer,
  announce: Announce,
) {
  return openIdentity({
    database,
    masterKey,
    firstAdminKey: settings.adminApiKey,
    announce,
    config: defaultIdentityConfig,
    clock,
    random: randomBytes,
    log: log.child({ service: "identity" }),
    metrics,
  });
}

export function startBucket(
  { log, metrics }: Host,
  database: DatabaseConfig,
  metadata: ServiceClient<typeof MetadataService>,
) {
  return openBucket({ database, metadata, clock, log: log.child({ service: "bucket" }), metrics });
}

export async function startObject(
  { settings, log, metrics }: Host,
  metadata: ServiceClient<typeof MetadataService>,
  nodes: { address: string; client: ServiceClient<typeof StorageService> }[],
) {
  const config: ObjectConfig = {
    ...defaultObjectConfig,
    read: { ...defaultObjectConfig.read, deleteGraceMs: settings.deleteGrace },
    workers: workersWithin(settings),
  };
  const hashes = new HashThread();
  const running = await openObject({
    metadata,
    nodes,
    config,
    clock,
    random: Math.random,
    log: log.child({ service: "object" }),
    metrics,
    hashes: hashes.start,
  });
  return {
    ...running,
    close: async () => {
      await running.close();
      await hashes.close();
    },
  };
}

/** Background work in step with the graces: shorter ones are pointless when what follows them comes much later. */
function workersWithin(settings: Settings): WorkerLimits {
  const { deleteGrace, orphanGrace, nodeLossGrace, healRate, scrubInterval } = settings;
  const { repair, deletes, orphans, purge, lost, moves, scrub, pace } = defaultWorkerLimits;
  const within = (mostMs: number, graceMs: number) => Math.min(mostMs, Math.max(5_000, graceMs));
  return {
    // A copy that is still unnamed when the orphan grace ends would be collected.
    repair: { ...repair, visibilityMs: within(repair.visibilityMs, orphanGrace / 2) },
    deletes: { ...deletes, visibilityMs: within(deletes.visibilityMs, deleteGrace) },
    orphans: { ...orphans, graceMs: orphanGrace, idleMs: Math.min(orphans.idleMs, orphanGrace) },
    purge,
    moves,
    scrub: { ...scrub, intervalMs: scrubInterval },
    pace: { ...pace, bytesPerSecond: Math.max(1, healRate) },
    lost: {
      ...lost,
      graceMs: nodeLossGrace,
      idleMs: Math.min(lost.idleMs, Math.max(1_000, nodeLossGrace / 4)),
    },
  };
}

export function startGateway(
  { settings, log, metrics }: Host,
  clients: {
    identity: ServiceClient<typeof IdentityService>;
    bucket: ServiceClient<typeof BucketService>;
    object: ServiceClient<typeof ObjectService>;
  },
  health: () => Promise<DependencyHealth[]>,
) {
  const config = {
    ...gatewayDefaults,
    rateLimitPerMinute: settings.rateLimit,
    trustedProxies: settings.trustedProxies,
    minBodyRateBytesPerSecond: settings.minBodyRate,
    region: settings.region,
    drainGraceMs: settings.shutdownGrace,
  };
  return openGateway({ ...clients, config, clock, log: log.child({ service: "gateway" }), metrics, health });
}
