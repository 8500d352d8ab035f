import { CairnError, hasReason, toCairnError } from "../common/errors/cairn-error";
import { type Call, endReason, throwIfEnded } from "../common/rpc/call";
import type { Clock } from "../common/time/clock";
import type { ClusterView, Target } from "./cluster-view";
import type { WriteLimits } from "./config";
import type { DurableBlob } from "./durable-blob";
import type { ObjectMetrics } from "./metrics";
import { placementOrder } from "./rendezvous";
import type { WatchLoop } from "./watch-loop";

export type WriteDependencies = {
  readonly cluster: ClusterView;
  readonly watch: WatchLoop;
  readonly clock: Clock;
  readonly limits: WriteLimits;
  readonly copies: number;
  readonly metrics: ObjectMetrics;
};

/** A replica on its way to one node. */
export type Replica = {
  readonly target: Target;
  /** Resolves when it is synced. */
  readonly written: Promise<{ readonly volumeId: string }>;
  /** Releases all that it holds, on the node too (I8). */
  stop(reason: CairnError): void;
};

/** How one kind of write sends its bytes. */
export type ReplicaSource<R extends Replica> = {
  /** Begins a replica on this volume. */
  start(target: Target): R;
  /** A replica is through, refused or dropped. */
  left(replica: R): void;
  /** Whether another replica can still begin with the first byte. */
  readonly mayReplace: boolean;
  /** Something changed that a waiting writer may want to know. */
  changed(): void;
};

/**
 * The copies of one blob, from the first byte sent to the quorum (P1): one that refuses is replaced by the next in
 * rendezvous order while that is possible, one that falls behind is dropped, two that are durable suffice. Ends by
 * `abort`, by the call's end, or by `end`, each of which releases every replica at once (I8).
 */
export class ReplicaQuorum<R extends Replica> {
  readonly active = new Set<R>();
  readonly #deps: WriteDependencies;
  readonly #call: Call;
  readonly #source: ReplicaSource<R>;
  readonly #spare: Target[];
  readonly #volumeIds: string[] = [];
  readonly #refusals: CairnError[] = [];
  readonly #onCallEnd: () => void;
  #secondDurableAtMs: number | undefined;
  #failure: CairnError | undefined;
  #ended = false;

  /** Throws NOT_ENOUGH_NODES or NO_SPACE when fewer than two nodes can take a blob now. */
  constructor(deps: WriteDependencies, call: Call, blobId: string, source: ReplicaSource<R>) {
    this.#deps = deps;
    this.#call = call;
    this.#source = source;
    throwIfEnded(call);
    const order = placementOrder(blobId, deps.cluster.writable(), deps.copies);
    if (order.length < 2) throw new CairnError(deps.cluster.isFull() ? "NO_SPACE" : "NOT_ENOUGH_NODES");
    this.#spare = order.slice(deps.copies);
    this.#onCallEnd = () => this.abort(endReason(call.signal));
    call.signal.addEventListener("abort", this.#onCallEnd, { once: true });
    for (const target of order.slice(0, deps.copies)) this.#start(target);
  }

  get durable(): number {
    return this.#volumeIds.length;
  }

  /** Why nothing can come of it any more. */
  get failure(): CairnError | undefined {
    return this.#failure;
  }

  /** True when no replica is under way: all is decided. */
  get settled(): boolean {
    return this.#failure !== undefined || this.active.size === 0;
  }

  /** Drops whoever is not synced a bounded time after two are (P1). */
  dropLate(nowMs: number): void {
    if (this.#secondDurableAtMs !== undefined && nowMs - this.#secondDurableAtMs >= this.#deps.limits.dropMs)
      this.dropAll("unsynced");
  }

  dropAll(why: string): void {
    for (const replica of [...this.active]) this.drop(replica, why);
  }

  /** Gives one replica up; repair makes it anew. */
  drop(replica: R, why: string): void {
    if (!this.#leave(replica)) return;
    const reason = new CairnError("CANCELLED", { message: `The replica fell behind the others: ${why}.` });
    replica.stop(reason);
    this.#lost(replica, reason, why);
    if (this.active.size + this.durable < 2) this.abort(this.#tooFew());
    this.#source.changed();
  }

  /** Gives the blob up. Idempotent. */
  abort(reason: CairnError): void {
    if (this.#ended) return;
    this.#failure ??= reason;
    this.end();
    this.#source.changed();
  }

  /** What is durable. Throws why that is not enough. Only when settled. */
  result(blobId: string, sizeBytes: number, crc32c: number): DurableBlob {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.durable < 2) throw this.#tooFew();
    const incomplete = this.durable < this.#deps.copies;
    const { completeQuorums, incompleteQuorums } = this.#deps.metrics;
    (incomplete ? incompleteQuorums : completeQuorums).inc();
    return { blobId, sizeBytes, crc32c, volumeIds: this.#volumeIds, incomplete };
  }

  /** Lets go of everything. Idempotent. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#call.signal.removeEventListener("abort", this.#onCallEnd);
    if (this.active.size === 0) return;
    const reason = this.#failure ?? new CairnError("CANCELLED");
    for (const replica of this.active) replica.stop(reason);
    this.active.clear();
  }

  #start(target: Target): void {
    const replica = this.#source.start(target);
    this.active.add(replica);
    replica.written.then(
      ({ volumeId }) => this.#synced(replica, volumeId),
      (error) => this.#refused(replica, toCairnError(error)),
    );
  }

  #synced(replica: R, volumeId: string): void {
    if (!this.#leave(replica)) return;
    this.#volumeIds.push(volumeId);
    if (this.durable === 2) this.#secondDurableAtMs = this.#deps.clock.monotonicMs();
    this.#source.changed();
  }

  #refused(replica: R, error: CairnError): void {
    if (!this.#leave(replica)) return;
    // The whole call has ended: nothing is to be said against the volume.
    if (hasReason(error, "CANCELLED", "DEADLINE_EXCEEDED")) {
      this.abort(error);
      return;
    }
    this.#lost(replica, error, "refused");
    const next = this.#source.mayReplace ? this.#spare.shift() : undefined;
    if (next !== undefined) this.#start(next);
    else if (this.active.size + this.durable < 2) this.abort(this.#tooFew());
    this.#source.changed();
  }

  #lost(replica: R, error: CairnError, why: string): void {
    this.#refusals.push(error);
    this.#deps.metrics.dropped.inc({ why });
    this.#deps.cluster.avoidWrites(replica.target.volumeId, this.#deps.limits.avoidMs);
  }

  /** False when the replica had left before. */
  #leave(replica: R): boolean {
    if (!this.active.delete(replica)) return false;
    this.#source.left(replica);
    return true;
  }

  #tooFew(): CairnError {
    const full =
      this.#refusals.length > 0 && this.#refusals.every((error) => hasReason(error, "VOLUME_FULL"));
    this.#deps.metrics.failedQuorums.inc();
    return new CairnError(full ? "NO_SPACE" : "NOT_ENOUGH_NODES", { cause: this.#refusals.at(-1) });
  }
}
