import type { ReadBlobResponse } from "../../gen/cairn/storage/v1/storage_pb";
import { CairnError, toCairnError } from "../common/errors/cairn-error";
import { EndController } from "../common/lifecycle/end-signal";
import { type Call, endReason, withSignal } from "../common/rpc/call";
import type { Clock } from "../common/time/clock";
import type { StorageClient } from "./cluster-view";
import type { Slice } from "./plan-read";
import type { Watched, WatchLoop } from "./watch-loop";

/**
 * Reads a slice from one replica. Ends with SERVICE_UNAVAILABLE when it sends nothing for `stallMs` or ends without
 * its trailer; the caller then knows by the bytes that came where to go on. The node reads one
 * block ahead, so this does not (I7).
 */
export class ReplicaRead implements Watched {
  readonly #iterator: AsyncIterator<ReadBlobResponse>;
  readonly #controller = new EndController();
  readonly #watch: WatchLoop;
  readonly #clock: Clock;
  readonly #stallMs: number;
  readonly #call: Call;
  readonly #follow: () => void;
  readonly #lengthBytes: number;
  #receivedBytes = 0;
  #complete = false;
  #waiting: { sinceMs: number; reject(error: CairnError): void } | undefined;

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
    this.#call = call;
    this.#lengthBytes = slice.lengthBytes;
    this.#follow = () => this.#end(endReason(call.signal));
    call.signal.addEventListener("abort", this.#follow, { once: true });
    const request = {
      blobId: slice.blobId,
      volumeId,
      offsetBytes: BigInt(slice.offsetBytes),
      lengthBytes: BigInt(slice.lengthBytes),
    };
    this.#iterator = client
      .readBlob(request, withSignal(call, this.#controller.signal))
      [Symbol.asyncIterator]();
    deps.watch.add(this);
  }

  /** The next bytes; undefined when the slice is complete. Throws why this replica cannot go on. */
  async next(): Promise<Uint8Array | undefined> {
    while (true) {
      const message = await this.#message();
      if (message === undefined) throw cutOff();
      if (message.part.case === "chunk") {
        const chunk = message.part.value;
        this.#receivedBytes += chunk.length;
        if (this.#receivedBytes > this.#lengthBytes) throw cutOff();
        return chunk;
      }
      if (message.part.case === "trailer") {
        if (this.#receivedBytes !== this.#lengthBytes) throw cutOff();
        this.#complete = true;
        return undefined;
      }
    }
  }

  close(): void {
    // A complete stream has nothing to cancel, and an error costs a stack trace.
    this.#end(this.#complete ? undefined : new CairnError("CANCELLED"));
  }

  check(nowMs: number): void {
    if (this.#waiting !== undefined && nowMs - this.#waiting.sinceMs >= this.#stallMs) {
      this.#end(new CairnError("SERVICE_UNAVAILABLE", { message: "The replica sends nothing." }));
    }
  }

  #message(): Promise<ReadBlobResponse | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting = { sinceMs: this.#clock.monotonicMs(), reject };
      this.#iterator.next().then(
        (next) => {
          this.#waiting = undefined;
          resolve(next.done ? undefined : next.value);
        },
        (error) => {
          this.#waiting = undefined;
          reject(toCairnError(error));
        },
      );
    });
  }

  #end(reason: CairnError | undefined): void {
    this.#watch.delete(this);
    this.#call.signal.removeEventListener("abort", this.#follow);
    if (reason !== undefined) {
      this.#waiting?.reject(reason);
      this.#waiting = undefined;
      this.#controller.abort(reason);
    }
    this.#iterator.return?.()?.catch(() => {});
  }
}

function cutOff(): CairnError {
  return new CairnError("SERVICE_UNAVAILABLE", { message: "The replica's stream was cut off." });
}
