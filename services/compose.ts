import type { DescService } from "@bufbuild/protobuf";
import { BucketService } from "../gen/cairn/bucket/v1/bucket_pb";
import { IdentityService } from "../gen/cairn/identity/v1/identity_pb";
import { MetadataService } from "../gen/cairn/metadata/v1/metadata_pb";
import { ObjectService } from "../gen/cairn/object/v1/object_pb";
import { StorageService } from "../gen/cairn/storage/v1/storage_pb";
import { CairnError } from "./common/errors/cairn-error";
import { Closing } from "./common/lifecycle/closing";
import type { DependencyHealth, RunningService } from "./common/lifecycle/running-service";
import { startWorker } from "./common/lifecycle/worker";
import { peerCheckOf } from "./common/rpc/cluster-secret";
import { createGrpcServer, type GrpcServer } from "./common/rpc/grpc-server";
import { limitUnary } from "./common/rpc/limit-unary";
import { localClient } from "./common/rpc/local";
import { observe } from "./common/rpc/observe";
import { Peers } from "./common/rpc/peers";
import type { ServiceClient } from "./common/rpc/service";
import { validateRequests } from "./common/rpc/validate";
import type { DatabaseConfig } from "./common/sql/database";
import { systemClock } from "./common/time/clock";
import type { Gateway } from "./gateway/open";
import {
  type Announce,
  type Host,
  startBucket,
  startGateway,
  startIdentity,
  startMetadata,
  startObject,
  startStorage,
  startStorageOrLose,
} from "./parts";
import { type CopiesMoved, emptyNode } from "./replace-node";
import type { LostFolder } from "./storage/disk-failure";

export type EmbeddedPlaces = {
  readonly database: (schema: "identity" | "bucket" | "metadata") => DatabaseConfig;
  /** One folder a storage node. */
  readonly nodes: readonly string[];
  /** What the places tell of themselves, beside the services. */
  readonly health?: () => readonly DependencyHealth[];
};

export type EmbeddedStore = {
  readonly gateway: Gateway;
  /** Folders of storage nodes that it goes on without. */
  readonly lost: readonly LostFolder[];
  /**
   * Lets a storage node in an empty folder take the place of another one while requests are served; every copy lies
   * elsewhere, synced and verified, before the former one is given up. May be called again after it was cut off.
   */
  replaceNode(from: string, to: string, onMoved: CopiesMoved): Promise<void>;
  /** Makes another admin key, for who may read the store's files. */
  newAdminKey(): Promise<string>;
  health(): Promise<DependencyHealth[]>;
  close(): Promise<void>;
};

/**
 * All services in one process, calls in memory, SQLite, a storage node a folder (D§2). Opens from the bytes upwards,
 * so that each part finds what it needs, and closes the other way round. Goes on without nodes whose folder is lost.
 */
export async function openEmbedded(
  host: Host,
  places: EmbeddedPlaces,
  masterKey: Buffer,
  announce: Announce,
): Promise<EmbeddedStore> {
  const opened = new Closing();
  const watch = observe(host.log, host.metrics);
  const parts: { name: string; part: Pick<EmbeddedStore, "health" | "close"> }[] = [];
  const carry = <S extends DescService>(
    name: string,
    service: S,
    running: RunningService<S>,
  ): ServiceClient<S> => {
    opened.add(running);
    parts.push({ name, part: running });
    return localClient(service, running.service, [watch, validateRequests]);
  };
  const health = async () => {
    const states = await Promise.all(
      parts.map(async ({ name, part }) => prefixed(name, await part.health())),
    );
    return [...states.flat(), ...(places.health?.() ?? [])];
  };
  try {
    let made = 0;
    const nodes: {
      address: string;
      client: ServiceClient<typeof StorageService>;
      part: RunningService<typeof StorageService>;
    }[] = [];
    const addNode = (folder: string, node: RunningService<typeof StorageService>) => {
      made += 1;
      const client = carry(`storage-${made}`, StorageService, node);
      nodes.push({ address: folder, client, part: node });
      return client;
    };
    const lost: LostFolder[] = [];
    for (const folder of places.nodes) {
      const node = await startStorageOrLose(host, folder);
      if (node.lost !== undefined) lost.push(node.lost);
      addNode(folder, node);
    }
    const metadata = carry(
      "metadata",
      MetadataService,
      await startMetadata(host, places.database("metadata")),
    );
    const users = await startIdentity(host, places.database("identity"), masterKey, announce);
    const identity = carry("identity", IdentityService, users);
    const bucket = carry(
      "bucket",
      BucketService,
      await startBucket(host, places.database("bucket"), metadata),
    );
    const orchestrator = await startObject(host, metadata, nodes);
    const object = carry("object", ObjectService, orchestrator);
    const gateway = await startGateway(host, { identity, bucket, object }, health);
    opened.add(gateway);
    const ending = new AbortController();
    opened.add({ close: async () => ending.abort(new CairnError("SHUTTING_DOWN")) });
    const replaceNode = async (from: string, to: string, onMoved: CopiesMoved) => {
      if (!nodes.some(({ address }) => address === to)) {
        const node = await startStorage(host, [to]);
        const client = addNode(to, node);
        try {
          await orchestrator.addNode(to, client);
        } catch (error) {
          await dropNode(to);
          throw error;
        }
      }
      await emptyNode({ objects: object, metadata, clock: systemClock }, from, onMoved, ending.signal);
      orchestrator.removeNode(from);
      await dropNode(from);
    };
    const dropNode = async (folder: string) => {
      const index = nodes.findIndex(({ address }) => address === folder);
      const [node] = index < 0 ? [] : nodes.splice(index, 1);
      if (node === undefined) return;
      parts.splice(
        parts.findIndex(({ part }) => part === node.part),
        1,
      );
      // Closing it again at the end does nothing.
      await node.part.close();
    };
    return {
      gateway,
      lost,
      health,
      replaceNode,
      newAdminKey: () => users.newAdminKey(),
      close: () => opened.close(),
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

function prefixed(name: string, states: readonly DependencyHealth[]): DependencyHealth[] {
  return states.map((state) => ({ ...state, name: `${name}/${state.name}` }));
}

/** How old what a process tells of its dependencies may be. */
const healthReportMs = 1_000;

/** How long one process waits for another's answer to a unary call. */
const unaryTimeoutMs = 15_000;

export const roles = ["identity", "bucket", "object", "storage", "metadata", "gateway"] as const;
export type Role = (typeof roles)[number];

/** What a role needs beyond its settings; only the role that uses a value asks for it. */
export type RolePlaces = {
  readonly database: (schema: "identity" | "bucket" | "metadata") => DatabaseConfig;
  readonly storageFolders: () => readonly string[];
  readonly masterKey: () => Buffer;
  readonly clusterSecret: string;
};

export type RunningRole = {
  health(): Promise<DependencyHealth[]>;
  /** Stops taking new work, and finishes what is in flight within the grace. */
  drain(): Promise<void>;
  close(): Promise<void>;
} & ({ readonly grpc: GrpcServer } | { readonly gateway: Gateway });

/** One service in a process of its own, its peers over gRPC. Does not listen yet. */
export async function openRole(
  role: Role,
  host: Host,
  places: RolePlaces,
  announce: Announce,
): Promise<RunningRole> {
  const { settings, log, metrics } = host;
  const opened = new Closing();
  const peers = new Peers(places.clusterSecret, [limitUnary(unaryTimeoutMs), validateRequests]);
  opened.add(peers);
  const metadata = () => peers.client(MetadataService, "metadata", settings.metadataUrl);

  const serve = <S extends DescService>(service: S, running: RunningService<S>): RunningRole => {
    opened.add(running);
    const grpc = createGrpcServer(peerCheckOf(places.clusterSecret));
    grpc.add(service, running.service, [observe(log, metrics), validateRequests]);
    const health = async () => {
      const [own, others] = await Promise.all([running.health(), peers.health()]);
      return [...own, ...others.filter((other) => own.every((state) => state.name !== other.name))];
    };
    opened.add(
      startWorker({
        name: "health-report",
        clock: systemClock,
        log,
        idleMs: healthReportMs,
        step: async () => {
          grpc.report(await health());
          return false;
        },
      }),
    );
    return {
      grpc,
      health,
      drain: async () => {
        grpc.drain();
        await grpc.close(settings.shutdownGrace);
      },
      close: () => opened.close(),
    };
  };

  try {
    switch (role) {
      case "identity":
        return serve(
          IdentityService,
          await startIdentity(host, places.database("identity"), places.masterKey(), announce),
        );
      case "bucket":
        return serve(BucketService, await startBucket(host, places.database("bucket"), metadata()));
      case "metadata":
        return serve(MetadataService, await startMetadata(host, places.database("metadata")));
      case "storage":
        return serve(StorageService, await startStorage(host, places.storageFolders()));
      case "object": {
        const nodes = settings.storageUrls.map((address) => ({
          address,
          client: peers.client(StorageService, `storage ${address}`, address),
        }));
        return serve(ObjectService, await startObject(host, metadata(), nodes));
      }
      case "gateway": {
        const identity = peers.client(IdentityService, "identity", settings.identityUrl);
        const bucket = peers.client(BucketService, "bucket", settings.bucketUrl);
        const object = peers.client(ObjectService, "object", settings.objectUrl);
        const gateway = await startGateway(host, { identity, bucket, object }, () => peers.health());
        opened.add(gateway);
        return {
          gateway,
          health: () => peers.health(),
          drain: () => gateway.drain(),
          close: () => opened.close(),
        };
      }
    }
  } catch (error) {
    await opened.close();
    throw error;
  }
}
