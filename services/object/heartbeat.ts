import { type GetNodeResponse, VolumeState } from "../../gen/cairn/storage/v1/storage_pb";
import { CairnError, hasReason } from "../common/errors/cairn-error";
import type { Logger } from "../common/log/logger";
import { type Call, newCall, withTimeout } from "../common/rpc/call";
import type { Clock } from "../common/time/clock";
import type { ClusterView, NodeState, StorageClient, VolumeView } from "./cluster-view";
import type { Commits, MetadataClient } from "./commit";
import type { HeartbeatLimits } from "./config";
import { followHistory } from "./histories";
import type { ObjectMetrics } from "./metrics";

/** While opening waits for nodes. */
const lookAgainMs = 50;
/** Services that start together do not find each other at once. */
const metadataAwayReasons = [
  "DEADLINE_EXCEEDED",
  "SERVICE_UNAVAILABLE",
  "METADATA_UNAVAILABLE",
  "DATABASE_UNAVAILABLE",
  "OUTCOME_UNKNOWN",
] as const;

export type HeartbeatDependencies = {
  readonly cluster: ClusterView;
  readonly metadata: MetadataClient;
  readonly commits: Commits;
  readonly limits: HeartbeatLimits;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: ObjectMetrics;
};

/**
 * Asks every node how it is, again and again, and tells the metadata what is new: nodes, volumes, fences, and to the
 * volumes which history they follow (P7). A node that does not answer in time twice is dead until it answers.
 */
export class Heartbeat {
  readonly #deps: HeartbeatDependencies;
  readonly #stop = new AbortController();
  /** What the metadata knows of each node, as one text to compare. */
  readonly #registered = new Map<string, string>();
  readonly #registeredVolumes = new Set<string>();
  readonly #fenced = new Set<string>();
  readonly #historyCheckedAtMs = new Map<string, number>();
  #registryReadAtMs: number | undefined;
  /** How often this process has registered a node. */
  #registrations = 0;
  #loops: Promise<void>[] = [];

  constructor(deps: HeartbeatDependencies) {
    this.#deps = deps;
  }

  /**
   * Resolves when each node has answered or is known to be away. One that merely takes long, and metadata that is not
   * there yet, are waited for `firstRoundMs`; while fewer than two nodes can be written to, `firstWritableMs`: who says
   * that it is ready must take writes.
   */
  async start(): Promise<void> {
    const { cluster, clock, limits } = this.#deps;
    const startedMs = clock.monotonicMs();
    const isOver = () =>
      this.#stop.signal.aborted || clock.monotonicMs() - startedMs >= limits.firstWritableMs;
    const first = cluster.nodes.map(async (node) => {
      while ((await this.#round(node)) === "late" && !isOver()) await clock.sleep(lookAgainMs);
    });
    this.#loops = cluster.nodes.map(async (node, index) => {
      await first[index];
      await this.#askAgainAndAgain(node);
    });
    let all = false;
    const answered = Promise.all(first).then(() => {
      all = true;
    });
    await Promise.race([answered, clock.sleep(limits.firstRoundMs, this.#stop.signal)]);
    while (!all && !isOver() && new Set(cluster.writable().map((target) => target.nodeId)).size < 2)
      await Promise.race([answered, clock.sleep(lookAgainMs, this.#stop.signal)]);
  }

  /** One more node. Resolves when it has answered and the metadata knows its volumes; else it is not taken, and throws. */
  async add(address: string, client: StorageClient): Promise<void> {
    const node = this.#deps.cluster.addNode(address, client);
    for (let tries = 1; (await this.#round(node)) !== "told"; tries++) {
      if (tries < this.#deps.limits.missesToDie && !this.#stop.signal.aborted) continue;
      this.#deps.cluster.removeNode(node);
      throw new CairnError("SERVICE_UNAVAILABLE", {
        message: `The new node ${address} cannot be registered.`,
      });
    }
    this.#loops.push(this.#askAgainAndAgain(node));
  }

  /** A node that is gone for good is asked no more. */
  remove(address: string): void {
    const { cluster } = this.#deps;
    for (const node of cluster.nodes.filter((known) => known.address === address)) cluster.removeNode(node);
  }

  async #askAgainAndAgain(node: NodeState): Promise<void> {
    const { cluster, clock, limits } = this.#deps;
    const goesOn = () => !this.#stop.signal.aborted && cluster.nodes.includes(node);
    while (goesOn()) {
      await clock.sleep(limits.everyMs, this.#stop.signal);
      if (goesOn()) await this.#round(node);
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#loops);
  }

  /** Asks the metadata afresh at once: an operator has changed something. */
  async refresh(call: Call): Promise<void> {
    this.#registryReadAtMs = undefined;
    await this.#readRegistry(call);
  }

  /** "late": something took too long to tell. */
  async #round(node: NodeState): Promise<"told" | "away" | "late"> {
    try {
      const call = withTimeout(newCall({ signal: this.#stop.signal }), this.#deps.limits.timeoutMs);
      const answer = await node.client.getNode({}, call);
      // It left meanwhile: what it tells counts no more.
      if (!this.#deps.cluster.nodes.includes(node)) return "away";
      this.#answered(node, answer);
    } catch (error) {
      this.#missed(node, error);
      return hasReason(error, "DEADLINE_EXCEEDED") ? "late" : "away";
    } finally {
      this.#count();
    }
    try {
      await this.#tellMetadata(node, newCall({ signal: this.#stop.signal, timeoutMs: 10_000 }));
      return "told";
    } catch (error) {
      const { log } = this.#deps;
      if (!this.#stop.signal.aborted)
        log.warn({ err: error, node: node.address }, "the node's news did not reach the metadata");
      return hasReason(error, ...metadataAwayReasons) ? "late" : "away";
    }
  }

  #answered(node: NodeState, answer: GetNodeResponse): void {
    const { cluster, log } = this.#deps;
    if (!node.alive) log.info({ node: node.address, nodeId: answer.nodeId }, "storage node is alive");
    node.nodeId = answer.nodeId;
    node.zone = answer.zone;
    node.misses = 0;
    node.alive = true;
    const own = answer.volumes.filter((status) => !this.#isAliveElsewhere(node, status.volumeId));
    const volumes = own.map((status): VolumeView => {
      const former = cluster.volume(status.volumeId);
      if (former !== undefined && former.state !== status.state) {
        const state = VolumeState[status.state];
        log.warn(
          { node: node.address, volumeId: status.volumeId, state, detail: status.stateDetail },
          "volume changed state",
        );
      }
      return {
        volumeId: status.volumeId,
        node,
        state: status.state,
        stateDetail: status.stateDetail,
        capacityBytes: status.capacityBytes,
        freeBytes: status.freeBytes,
        blobs: status.blobs,
        history: status.history,
        registered: this.#registeredVolumes.has(status.volumeId),
        fenceRecorded: this.#fenced.has(status.volumeId),
        deleteHold: former?.deleteHold ?? "not compared with the metadata's history yet",
      };
    });
    cluster.replaceVolumes(node, volumes);
  }

  /** Two nodes that claim one volume: the second is a copy of a disk, or one node configured twice (P1). */
  #isAliveElsewhere(node: NodeState, volumeId: string): boolean {
    const other = this.#deps.cluster.volume(volumeId)?.node;
    if (other === undefined || other === node || !other.alive) return false;
    const { log } = this.#deps;
    log.error(
      { node: node.address, other: other.address, volumeId },
      "volume refused: it is alive on another node",
    );
    return true;
  }

  #missed(node: NodeState, error: unknown): void {
    if (this.#stop.signal.aborted) return;
    node.misses++;
    // A refused connection says at once what a time-out only suggests.
    const dead = node.misses >= this.#deps.limits.missesToDie || !hasReason(error, "DEADLINE_EXCEEDED");
    if (dead && node.alive) this.#deps.log.warn({ err: error, node: node.address }, "storage node is dead");
    if (dead) node.alive = false;
  }

  async #tellMetadata(node: NodeState, call: Call): Promise<void> {
    await this.#readRegistry(call);
    const { cluster, commits } = this.#deps;
    const signature = signatureOf(
      node.address,
      node.zone,
      node.volumes.map((volume) => volume.volumeId),
    );
    if (this.#registered.get(node.nodeId) !== signature) {
      const volumeIds = node.volumes.map((volume) => volume.volumeId);
      const value = { nodeId: node.nodeId, address: node.address, zone: node.zone, volumeIds };
      await commits.apply({ case: "registerNode", value }, call);
      this.#registrations += 1;
      this.#registered.set(node.nodeId, signature);
      for (const volumeId of volumeIds)
        if (cluster.registered(volumeId)?.removed !== true) this.#registeredVolumes.add(volumeId);
      this.#registryReadAtMs = undefined;
    }
    for (const volume of node.volumes) {
      volume.registered = this.#registeredVolumes.has(volume.volumeId);
      if (volume.state === VolumeState.FENCED && !this.#fenced.has(volume.volumeId)) {
        const value = { volumeId: volume.volumeId, detail: volume.stateDetail };
        await commits.apply({ case: "fenceVolume", value }, call);
        this.#fenced.add(volume.volumeId);
      }
      volume.fenceRecorded = this.#fenced.has(volume.volumeId);
      await this.#compareHistory(volume, call);
    }
    this.#deps.metrics.deleteHolds.set(cluster.volumes().filter((volume) => volume.deleteHold !== "").length);
  }

  async #compareHistory(volume: VolumeView, call: Call): Promise<void> {
    const nowMs = this.#deps.clock.monotonicMs();
    const checkedAtMs = this.#historyCheckedAtMs.get(volume.volumeId);
    if (checkedAtMs !== undefined && nowMs - checkedAtMs < this.#deps.limits.historyEveryMs) return;
    const hold = await followHistory(this.#deps.metadata, volume, call);
    if (hold !== "" && hold !== volume.deleteHold) {
      const { log } = this.#deps;
      log.error(
        { volumeId: volume.volumeId, detail: hold },
        "the volume follows another history: it takes no deletes until an operator decides",
      );
    }
    volume.deleteHold = hold;
    this.#historyCheckedAtMs.set(volume.volumeId, nowMs);
  }

  /** Other processes register and fence too. */
  async #readRegistry(call: Call): Promise<void> {
    const nowMs = this.#deps.clock.monotonicMs();
    if (
      this.#registryReadAtMs !== undefined &&
      nowMs - this.#registryReadAtMs < this.#deps.limits.registryEveryMs
    )
      return;
    const registrations = this.#registrations;
    const { nodes } = await this.#deps.metadata.listNodes({}, call);
    // What was asked before a node was registered here may not know it yet: read again in the next round.
    if (registrations !== this.#registrations) return;
    this.#registryReadAtMs = nowMs;
    this.#deps.cluster.replaceRegistry(
      nodes.flatMap(({ nodeId, volumes }) => volumes.map((volume) => ({ nodeId, ...volume }))),
    );
    this.#registered.clear();
    this.#registeredVolumes.clear();
    for (const node of nodes) {
      const volumeIds = node.volumes.map((volume) => volume.volumeId);
      this.#registered.set(node.nodeId, signatureOf(node.address, node.zone, volumeIds));
      for (const volume of node.volumes) {
        if (!volume.removed) this.#registeredVolumes.add(volume.volumeId);
        if (volume.fenced) this.#fenced.add(volume.volumeId);
      }
    }
  }

  #count(): void {
    const alive = this.#deps.cluster.nodes.filter((node) => node.alive).length;
    this.#deps.metrics.nodes.set({ state: "alive" }, alive);
    this.#deps.metrics.nodes.set({ state: "dead" }, this.#deps.cluster.nodes.length - alive);
  }
}

function signatureOf(address: string, zone: string, volumeIds: readonly string[]): string {
  return JSON.stringify([address, zone, [...volumeIds].sort()]);
}
