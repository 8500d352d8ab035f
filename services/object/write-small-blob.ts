import { crc32c } from "@node-rs/crc32";
import { EndController } from "../common/lifecycle/end-signal";
import { type Call, withSignal } from "../common/rpc/call";
import type { Target } from "./cluster-view";
import type { DurableBlob } from "./durable-blob";
import { type Replica, ReplicaQuorum, type ReplicaSource, type WriteDependencies } from "./replica-quorum";

/** The longest blob that travels in one message, and the longest that lies in a segment. */
export const smallBlobBytes = 1024 * 1024;

/**
 * Writes a blob that is whole in memory to three nodes at once, one message each (P1). Resolves when it is durable.
 * Throws NOT_ENOUGH_NODES, NO_SPACE, or why the call ended; then what was written is left to orphan collection.
 */
export function writeSmallBlob(
  deps: WriteDependencies,
  call: Call,
  blobId: string,
  content: Uint8Array,
): Promise<DurableBlob> {
  return new Promise((resolve, reject) => {
    new SmallBlobWrite(deps, call, blobId, content, resolve, reject);
  });
}

class SmallBlobWrite implements ReplicaSource<Replica> {
  readonly mayReplace = true;
  readonly #deps: WriteDependencies;
  readonly #call: Call;
  readonly #blobId: string;
  readonly #content: Uint8Array;
  readonly #crc32c: number;
  readonly #startedAtMs: number;
  readonly #resolve: (blob: DurableBlob) => void;
  readonly #reject: (error: unknown) => void;
  readonly #quorum: ReplicaQuorum<Replica>;

  constructor(
    deps: WriteDependencies,
    call: Call,
    blobId: string,
    content: Uint8Array,
    resolve: (blob: DurableBlob) => void,
    reject: (error: unknown) => void,
  ) {
    this.#deps = deps;
    this.#call = call;
    this.#blobId = blobId;
    this.#content = content;
    this.#crc32c = crc32c(content);
    this.#resolve = resolve;
    this.#reject = reject;
    this.#startedAtMs = deps.clock.monotonicMs();
    this.#quorum = new ReplicaQuorum(deps, call, blobId, this);
    deps.watch.add(this);
  }

  start(target: Target): Replica {
    const controller = new EndController();
    const request = {
      blobId: this.#blobId,
      volumeId: target.volumeId,
      content: this.#content,
      crc32c: this.#crc32c,
    };
    return {
      target,
      written: target.client.writeSmallBlob(request, withSignal(this.#call, controller.signal)),
      stop: (reason) => controller.abort(reason),
    };
  }

  left(): void {}

  changed(): void {
    if (!this.#quorum.settled) return;
    this.#deps.watch.delete(this);
    this.#quorum.end();
    try {
      this.#resolve(this.#quorum.result(this.#blobId, this.#content.length, this.#crc32c));
    } catch (error) {
      this.#reject(error);
    }
  }

  /** Asked by the watch loop: a node that takes a message and never answers holds nobody for long. */
  check(nowMs: number): void {
    this.#quorum.dropLate(nowMs);
    if (nowMs - this.#startedAtMs >= this.#deps.limits.stallMs) this.#quorum.dropAll("stalled");
  }
}
