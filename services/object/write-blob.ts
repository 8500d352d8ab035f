import { create } from "@bufbuild/protobuf";
import { crc32c } from "@node-rs/crc32";
import { WriteBlobRequestSchema } from "../../gen/cairn/storage/v1/storage_pb";
import type { CairnError } from "../common/errors/cairn-error";
import { EndController } from "../common/lifecycle/end-signal";
import { type Call, withSignal } from "../common/rpc/call";
import { BlobBuffer, type BufferReader } from "./blob-buffer";
import type { Target } from "./cluster-view";
import type { DurableBlob } from "./durable-blob";
import { lagging } from "./lagging";
import { type Replica, ReplicaQuorum, type ReplicaSource, type WriteDependencies } from "./replica-quorum";

type StreamedReplica = Replica & { readonly reader: BufferReader };

/**
 * Writes one blob to three nodes at once (P1). The caller pushes chunks and waits when told to; a replica that
 * refuses is replaced while the beginning is still there; one that falls behind is dropped. Ends by `finish` or
 * `abort`, either of which releases every stream at once (I8).
 */
export class BlobWrite implements ReplicaSource<StreamedReplica> {
  readonly #blobId: string;
  readonly #call: Call;
  readonly #deps: WriteDependencies;
  readonly #buffer: BlobBuffer;
  readonly #sizeBytes: number | undefined;
  readonly #quorum: ReplicaQuorum<StreamedReplica>;
  #crc = 0;
  #finishedAtMs: number | undefined;
  #heldSinceMs: number | undefined;
  #wake: (() => void) | undefined;

  /** Throws NOT_ENOUGH_NODES or NO_SPACE when fewer than two nodes can take a blob now. */
  constructor(deps: WriteDependencies, call: Call, blobId: string, sizeBytes?: number) {
    this.#deps = deps;
    this.#call = call;
    this.#blobId = blobId;
    this.#sizeBytes = sizeBytes;
    this.#buffer = new BlobBuffer(deps.limits.replayBytes);
    this.#buffer.onTaken = () => this.changed();
    this.#quorum = new ReplicaQuorum(deps, call, blobId, this);
    deps.watch.add(this);
  }

  get writtenBytes(): number {
    return this.#buffer.writtenBytes;
  }

  /** Hands a chunk to the replicas. The promise, when there is one, holds the caller back (I7). */
  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#quorum.failure !== undefined) throw this.#quorum.failure;
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
      while (!this.#quorum.settled) await this.#signalled();
      return this.#quorum.result(this.#blobId, sizeBytes, this.#crc);
    } finally {
      this.#end();
    }
  }

  /** Gives the blob up: every stream ends without a finish, so nothing is left on the nodes. Idempotent. */
  abort(reason: CairnError): void {
    this.#quorum.abort(reason);
    this.#end();
  }

  /** Asked by the watch loop: P1's time limits. */
  check(nowMs: number): void {
    const { limits } = this.#deps;
    this.#quorum.dropLate(nowMs);
    if (this.#finishedAtMs !== undefined && nowMs - this.#finishedAtMs >= limits.syncMs)
      this.#quorum.dropAll("unsynced");
    const active = [...this.#quorum.active];
    const late = lagging(active, this.#quorum.durable, this.#buffer.writtenBytes, nowMs, limits);
    if (late !== undefined) this.#quorum.drop(late.replica as StreamedReplica, late.why);
    if (this.#heldSinceMs !== undefined) this.changed();
    if (this.#quorum.failure !== undefined) this.#end();
  }

  get mayReplace(): boolean {
    return this.#buffer.replayable;
  }

  start(target: Target): StreamedReplica {
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
    return {
      target,
      reader,
      written: target.client.writeBlob(reader, withSignal(this.#call, controller.signal)),
      stop: (reason) => {
        reader.fail(reason);
        controller.abort(reason);
      },
    };
  }

  left(replica: StreamedReplica): void {
    this.#buffer.release(replica.reader);
  }

  changed(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  #mustHold(): boolean {
    const taken = [...this.#quorum.active].map(({ reader }) => reader.takenBytes).sort((a, b) => a - b);
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
    while (this.#quorum.failure === undefined && this.#mustHold()) await this.#signalled();
    this.#heldSinceMs = undefined;
    if (this.#quorum.failure !== undefined) throw this.#quorum.failure;
  }

  /** One waiter at a time: the caller either writes or finishes. */
  #signalled(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #end(): void {
    this.#deps.watch.delete(this);
    this.#quorum.end();
  }
}
