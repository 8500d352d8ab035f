import { create } from "@bufbuild/protobuf";
import { crc32c } from "@node-rs/crc32";
import { WriteBlobRequestSchema } from "../../gen/cairn/storage/v1/storage_pb";
import { CairnError, hasReason, toCairnError } from "../common/errors/cairn-error";
import { EndController } from "../common/lifecycle/end-signal";
import { type Call, endReason, throwIfEnded, withSignal } from "../common/rpc/call";
import type { Clock } from "../common/time/clock";
import { BlobBuffer, type BufferReader } from "./blob-buffer";
import type { ClusterView, Target } from "./cluster-view";
import type { WriteLimits } from "./config";
import type { DurableBlob } from "./durable-blob";
import { lagging, type Replica } from "./lagging";
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

type ActiveReplica = Replica & {
  readonly target: Target;
  readonly reader: BufferReader;
  readonly controller: EndController;
};

/**
 * Writes one blob to three nodes at once (P1). The caller pushes chunks and waits when told to; a replica that
 * refuses is replaced while the beginning is still there; one that falls behind is dropped. Ends by `finish` or
 * `abort`, either of which releases every stream at once (I8).
 */
export class BlobWrite {
  readonly #blobId: string;
  readonly #call: Call;
  readonly #deps: WriteDependencies;
  readonly #buffer: BlobBuffer;
  readonly #spare: Target[];
  readonly #sizeBytes: number | undefined;
  readonly #active = new Set<ActiveReplica>();
  readonly #durable: { target: Target; volumeId: string }[] = [];
  readonly #failures: CairnError[] = [];
  readonly #abortOnCall: () => void;
  #crc = 0;
  #secondDurableAtMs: number | undefined;
  #finishedAtMs: number | undefined;
  #heldSinceMs: number | undefined;
  #ended = false;
  #failure: CairnError | undefined;
  #wake: (() => void) | undefined;

  /** Throws NOT_ENOUGH_NODES or NO_SPACE when fewer than two nodes can take a blob now. */
  constructor(deps: WriteDependencies, call: Call, blobId: string, sizeBytes?: number) {
    this.#deps = deps;
    this.#call = call;
    this.#blobId = blobId;
    this.#sizeBytes = sizeBytes;
    throwIfEnded(call);
    const order = placementOrder(blobId, deps.cluster.writable(), deps.copies);
    if (order.length < 2) throw new CairnError(deps.cluster.isFull() ? "NO_SPACE" : "NOT_ENOUGH_NODES");
    this.#spare = order.slice(deps.copies);
    this.#buffer = new BlobBuffer(deps.limits.replayBytes);
    this.#buffer.onTaken = () => this.#signal();
    this.#abortOnCall = () => this.abort(endReason(call.signal));
    call.signal.addEventListener("abort", this.#abortOnCall, { once: true });
    deps.watch.add(this);
    for (const target of order.slice(0, deps.copies)) this.#start(target);
  }

  get writtenBytes(): number {
    return this.#buffer.writtenBytes;
  }

  /** Hands a chunk to the replicas. The promise, when there is one, holds the caller back (I7). */
  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    this.#crc = crc32c(chunk, this.#crc);
    this.#buffer.push(chunk);
    return this.#mustHold() ? this.#hold() : undefined;
  }

  /** Resolves when the blob is durable. Throws NOT_ENOUGH_NODES, NO_SPACE, or why the call ended. */
  async finish(): Promise<DurableBlob> {
    const sizeBytes = this.#buffer.writtenBytes;
    this.#buffer.finish({ sizeBytes: BigInt(sizeBytes), crc32c: this.#crc });
    this.#finishedAtMs = this.#deps.clock.monotonicMs();
    try {
      while (this.#failure === undefined && this.#active.size > 0) await this.#signalled();
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#durable.length < 2) throw this.#tooFew();
    } finally {
      this.#end();
    }
    const incomplete = this.#durable.length < this.#deps.copies;
    this.#deps.metrics.quorums.inc({ result: incomplete ? "incomplete" : "complete" });
    return {
      blobId: this.#blobId,
      sizeBytes,
      crc32c: this.#crc,
      volumeIds: this.#durable.map((one) => one.volumeId),
      incomplete,
    };
  }

  /** Gives the blob up: every stream ends without a finish, so nothing is left on the nodes. Idempotent. */
  abort(reason: CairnError): void {
    if (this.#ended) return;
    this.#failure ??= reason;
    for (const replica of this.#active) stop(replica, reason);
    this.#end();
    this.#signal();
  }

  /** Asked by the watch loop: P1's time limits. */
  check(nowMs: number): void {
    const { dropMs, syncMs } = this.#deps.limits;
    const overdue =
      (this.#secondDurableAtMs !== undefined && nowMs - this.#secondDurableAtMs >= dropMs) ||
      (this.#finishedAtMs !== undefined && nowMs - this.#finishedAtMs >= syncMs);
    for (const replica of [...this.#active]) {
      if (overdue) this.#drop(replica, "unsynced");
    }
    const late = lagging(
      [...this.#active],
      this.#durable.length,
      this.#buffer.writtenBytes,
      nowMs,
      this.#deps.limits,
    );
    if (late !== undefined) this.#drop(late.replica as ActiveReplica, late.why);
    if (this.#heldSinceMs !== undefined) this.#signal();
  }

  #start(target: Target): void {
    const header = create(WriteBlobRequestSchema, {
      part: {
        case: "header",
        value: {
          blobId: this.#blobId,
          volumeId: target.volumeId,
          ...(this.#sizeBytes === undefined ? {} : { sizeBytes: BigInt(this.#sizeBytes) }),
        },
      },
    });
    const reader = this.#buffer.read(header, () => this.#deps.clock.monotonicMs());
    const controller = new EndController();
    const replica: ActiveReplica = { target, reader, controller };
    this.#active.add(replica);
    target.client.writeBlob(reader, withSignal(this.#call, controller.signal)).then(
      (response) => this.#synced(replica, response.volumeId),
      (error) => this.#refused(replica, toCairnError(error)),
    );
  }

  #synced(replica: ActiveReplica, volumeId: string): void {
    if (!this.#leave(replica)) return;
    this.#durable.push({ target: replica.target, volumeId });
    if (this.#durable.length === 2) this.#secondDurableAtMs = this.#deps.clock.monotonicMs();
    this.#signal();
  }

  #refused(replica: ActiveReplica, error: CairnError): void {
    if (!this.#leave(replica)) return;
    // The whole call has ended: nothing is to be said against the volume.
    if (hasReason(error, "CANCELLED", "DEADLINE_EXCEEDED")) {
      this.abort(error);
      return;
    }
    this.#failures.push(error);
    this.#deps.metrics.dropped.inc({ why: "refused" });
    this.#deps.cluster.avoidWrites(replica.target.volumeId, this.#deps.limits.avoidMs);
    const next = this.#buffer.replayable ? this.#spare.shift() : undefined;
    if (next !== undefined) this.#start(next);
    else if (this.#active.size + this.#durable.length < 2) this.abort(this.#tooFew());
    this.#signal();
  }

  #drop(replica: ActiveReplica, why: string): void {
    if (!this.#leave(replica)) return;
    const reason = new CairnError("CANCELLED", { message: `The replica fell behind the others: ${why}.` });
    stop(replica, reason);
    this.#failures.push(reason);
    this.#deps.metrics.dropped.inc({ why });
    this.#deps.cluster.avoidWrites(replica.target.volumeId, this.#deps.limits.avoidMs);
    if (this.#active.size + this.#durable.length < 2) this.abort(this.#tooFew());
    this.#signal();
  }

  /** False when the replica had left before. */
  #leave(replica: ActiveReplica): boolean {
    if (!this.#active.delete(replica)) return false;
    this.#buffer.release(replica.reader);
    return true;
  }

  #tooFew(): CairnError {
    const full =
      this.#failures.length > 0 && this.#failures.every((error) => hasReason(error, "VOLUME_FULL"));
    this.#deps.metrics.quorums.inc({ result: "failed" });
    return new CairnError(full ? "NO_SPACE" : "NOT_ENOUGH_NODES", { cause: this.#failures.at(-1) });
  }

  #mustHold(): boolean {
    const taken = [...this.#active].map((replica) => replica.reader.takenBytes).sort((a, b) => a - b);
    const { windowBytes, holdBytes, holdMs } = this.#deps.limits;
    const others = taken.length >= 3 ? taken[1] : taken[0];
    if (others === undefined) return false;
    if (this.#buffer.writtenBytes - others >= windowBytes) return true;
    if (taken.length < 3 || others - (taken[0] as number) < holdBytes) return false;
    const heldMs = this.#heldSinceMs === undefined ? 0 : this.#deps.clock.monotonicMs() - this.#heldSinceMs;
    return heldMs < holdMs;
  }

  async #hold(): Promise<void> {
    this.#heldSinceMs = this.#deps.clock.monotonicMs();
    while (this.#failure === undefined && this.#mustHold()) await this.#signalled();
    this.#heldSinceMs = undefined;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** One waiter at a time: the caller either writes or finishes. */
  #signalled(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #signal(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  #end(): void {
    this.#ended = true;
    this.#deps.watch.delete(this);
    this.#call.signal.removeEventListener("abort", this.#abortOnCall);
    for (const replica of this.#active) stop(replica, this.#failure ?? new CairnError("CANCELLED"));
    this.#active.clear();
  }
}

function stop(replica: ActiveReplica, reason: CairnError): void {
  replica.reader.fail(reason);
  replica.controller.abort(reason);
}
