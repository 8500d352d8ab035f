import {
  type HistoryPosition,
  type StorageService,
  VolumeState,
} from "../../gen/cairn/storage/v1/storage_pb";
import type { ServiceClient } from "../common/rpc/service";
import type { Clock } from "../common/time/clock";
import type { Candidate } from "./rendezvous";

export type StorageClient = ServiceClient<typeof StorageService>;

/** A node at a configured address, as its heartbeats tell. */
export type NodeState = {
  readonly address: string;
  readonly client: StorageClient;
  /** Empty until it answered once. */
  nodeId: string;
  zone: string;
  alive: boolean;
  misses: number;
  volumes: VolumeView[];
};

/** A volume as its node last told. */
export type VolumeView = {
  readonly volumeId: string;
  readonly node: NodeState;
  state: VolumeState;
  stateDetail: string;
  capacityBytes: bigint;
  freeBytes: bigint;
  blobs: bigint;
  /** What it remembers (P7); undefined when it follows no history. */
  history: HistoryPosition | undefined;
  /** Known to the metadata: only then may a commit name it. */
  registered: boolean;
  /** The metadata has a fence for it, which nothing clears (P9). */
  fenceRecorded: boolean;
  /** Why it takes no deletes from this metadata (P7); empty when it does. */
  deleteHold: string;
};

/** A volume as the metadata has it. */
export type RegisteredVolume = {
  readonly volumeId: string;
  readonly nodeId: string;
  readonly draining: boolean;
  readonly fenced: boolean;
  readonly removed: boolean;
};

export type Target = Candidate & { readonly volume: VolumeView; readonly client: StorageClient };

/**
 * The storage nodes as this process sees them. Heartbeats write it, placement and reads ask it; it decides nothing
 * for good: what it gets wrong costs a retry, never a byte.
 */
export class ClusterView {
  readonly #nodes: NodeState[];
  readonly #clock: Clock;
  readonly #volumes = new Map<string, VolumeView>();
  readonly #registry = new Map<string, RegisteredVolume>();
  /** Until when, monotonic. */
  readonly #avoidWritesUntil = new Map<string, number>();
  readonly #avoidReadsUntil = new Map<string, number>();

  constructor(nodes: readonly { address: string; client: StorageClient }[], clock: Clock) {
    this.#clock = clock;
    this.#nodes = nodes.map(({ address, client }) => unseenNode(address, client));
  }

  get nodes(): readonly NodeState[] {
    return this.#nodes;
  }

  /** One more node, of which nothing is known yet. */
  addNode(address: string, client: StorageClient): NodeState {
    const node = unseenNode(address, client);
    this.#nodes.push(node);
    return node;
  }

  /** A node that is asked no more; what it told is forgotten. */
  removeNode(node: NodeState): void {
    this.replaceVolumes(node, []);
    node.alive = false;
    const index = this.#nodes.indexOf(node);
    if (index >= 0) this.#nodes.splice(index, 1);
  }

  /** All volumes that any node has told of. A volume belongs to the node that told last. */
  volumes(): VolumeView[] {
    return [...this.#volumes.values()];
  }

  volume(volumeId: string): VolumeView | undefined {
    return this.#volumes.get(volumeId);
  }

  /** Takes over what a node told in a heartbeat. */
  replaceVolumes(node: NodeState, volumes: readonly VolumeView[]): void {
    for (const former of node.volumes) {
      if (this.#volumes.get(former.volumeId)?.node === node) this.#volumes.delete(former.volumeId);
    }
    node.volumes = [...volumes];
    for (const volume of volumes) this.#volumes.set(volume.volumeId, volume);
  }

  /** What the metadata told last; undefined when it does not know the volume, or was not asked yet. */
  registered(volumeId: string): RegisteredVolume | undefined {
    return this.#registry.get(volumeId);
  }

  registry(): RegisteredVolume[] {
    return [...this.#registry.values()];
  }

  replaceRegistry(volumes: readonly RegisteredVolume[]): void {
    this.#registry.clear();
    for (const volume of volumes) this.#registry.set(volume.volumeId, volume);
  }

  /**
   * All volumes that should hold blobs, whether they can be written to now or not; undefined while one of them is not
   * alive, because then nobody knows its share.
   */
  settled(): Target[] | undefined {
    const wanted = this.registry().filter((known) => !known.removed && !known.draining && !known.fenced);
    const targets = wanted.flatMap(({ volumeId }) => {
      const volume = this.#volumes.get(volumeId);
      return volume?.node.alive && volume.registered ? [targetOf(volume)] : [];
    });
    return targets.length === wanted.length ? targets : undefined;
  }

  /** Volumes that may be written to now, each with a share by its capacity. */
  writable(): Target[] {
    const nowMs = this.#clock.monotonicMs();
    const all: Target[] = [];
    for (const volume of this.#volumes.values()) {
      const draining = this.#registry.get(volume.volumeId)?.draining === true;
      if (isWritable(volume) && !draining) all.push(targetOf(volume));
    }
    const calm = all.filter((target) => (this.#avoidWritesUntil.get(target.volumeId) ?? 0) <= nowMs);
    // With fewer than two nodes left, one that was slow is better than none.
    return new Set(calm.map((target) => target.nodeId)).size >= 2 ? calm : all;
  }

  /** True when live volumes exist but nearly all refuse for want of room: the answer is 507, not 503. */
  isFull(): boolean {
    const live = this.volumes().filter((volume) => volume.node.alive);
    const open = new Set(live.filter((v) => v.state !== VolumeState.FULL).map((v) => v.node.nodeId));
    return live.some((volume) => volume.state === VolumeState.FULL) && open.size < 2;
  }

  avoidWrites(volumeId: string, forMs: number): void {
    this.#avoidWritesUntil.set(volumeId, this.#clock.monotonicMs() + forMs);
  }

  avoidReads(volumeId: string, forMs: number): void {
    this.#avoidReadsUntil.set(volumeId, this.#clock.monotonicMs() + forMs);
  }

  readsAvoided(volumeId: string): boolean {
    return (this.#avoidReadsUntil.get(volumeId) ?? 0) > this.#clock.monotonicMs();
  }
}

function unseenNode(address: string, client: StorageClient): NodeState {
  return { address, client, nodeId: "", zone: "", alive: false, misses: 0, volumes: [] };
}

function targetOf(volume: VolumeView): Target {
  return {
    volumeId: volume.volumeId,
    nodeId: volume.node.nodeId,
    zone: volume.node.zone,
    weight: Math.max(1, Number(volume.capacityBytes)),
    volume,
    client: volume.node.client,
  };
}

function isWritable(volume: VolumeView): boolean {
  return (
    volume.node.alive && volume.registered && !volume.fenceRecorded && volume.state === VolumeState.ONLINE
  );
}
