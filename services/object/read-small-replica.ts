import { CairnError, toCairnError } from "../common/errors/cairn-error";
import { EndController } from "../common/lifecycle/end-signal";
import { type Call, withSignal } from "../common/rpc/call";
import type { Clock } from "../common/time/clock";
import type { StorageClient } from "./cluster-view";
import type { Slice } from "./plan-read";
import type { ReplicaReading } from "./read-replica";
import type { Watched, WatchLoop } from "./watch-loop";

/**
 * A slice that fits one message, from one replica. Fails with SERVICE_UNAVAILABLE when it does not come within
 * `stallMs` or is not all that was asked for.
 */
export class SmallReplicaRead implements ReplicaReading, Watched {
  readonly #watch: WatchLoop;
  readonly #clock: Clock;
  readonly #stallMs: number;
  readonly #client: StorageClient;
  readonly #volumeId: string;
  readonly #slice: Slice;
  readonly #call: Call;
  #controller: EndController | undefined;
  #startedAtMs = 0;
  #given = false;

  constructor(
    deps: { readonly watch: WatchLoop; readonly clock: Clock; readonly stallMs: number },
    client: StorageClient,
    volumeId: string,
    slice: Slice,
    call: Call,
  ) {
    this.#watch = deps.watch;
    this.#clock = deps.clock;
    this.#stallMs = deps.stallMs;
    this.#client = client;
    this.#volumeId = volumeId;
    this.#slice = slice;
    this.#call = call;
  }

  async next(): Promise<Uint8Array | undefined> {
    if (this.#given) return undefined;
    this.#given = true;
    const { blobId, offsetBytes, lengthBytes } = this.#slice;
    const controller = new EndController();
    this.#controller = controller;
    this.#startedAtMs = this.#clock.monotonicMs();
    const follow = () => controller.abort(this.#call.signal.reason);
    this.#call.signal.addEventListener("abort", follow, { once: true });
    this.#watch.add(this);
    try {
      const { content } = await this.#client.readSmallBlob(
        { blobId, volumeId: this.#volumeId, offsetBytes: BigInt(offsetBytes), lengthBytes },
        withSignal(this.#call, controller.signal),
      );
      if (content.length !== lengthBytes)
        throw new CairnError("SERVICE_UNAVAILABLE", { message: "The replica sent another length." });
      return content;
    } catch (error) {
      throw toCairnError(error);
    } finally {
      this.#watch.delete(this);
      this.#call.signal.removeEventListener("abort", follow);
      this.#controller = undefined;
    }
  }

  close(): void {
    this.#controller?.abort(new CairnError("CANCELLED"));
  }

  check(nowMs: number): void {
    if (nowMs - this.#startedAtMs < this.#stallMs) return;
    this.#controller?.abort(new CairnError("SERVICE_UNAVAILABLE", { message: "The replica sends nothing." }));
  }
}
