import type { ReadBlobResponse } from "../../gen/cairn/storage/v1/storage_pb";
import { CairnError, toCairnError } from "../common/errors/cairn-error";
import { EndController } from "../common/lifecycle/end-signal";
import { type Call, endReason, withSignal } from "../common/rpc/call";
import type { Clock } from "../common/time/clock";
import type { StorageClient } from "./cluster-view";
import type { Slice } from "./plan-read";
import type { Watched, WatchLoop } from "./watch-loop";

type Waiting = {
  readonly sinceMs: number;
  resolve(chunk: Uint8Array | undefined): void;
  reject(error: CairnError): void;
};

/** A slice on its way from one replica. */
export type ReplicaReading = {
  /** The next bytes; undefined when the slice is complete. Throws why this replica cannot go on. */
  next(): Promise<Uint8Array | undefined>;
  /** Lets go of all that it holds, on the node too (I8). */
  close(): void;
};

/**
 * Reads a slice from one replica. Ends with SERVICE_UNAVAILABLE when it sends nothing for `stallMs` or ends without
 * its trailer; the caller then knows by the bytes that came where to go on. The node reads one
 * block ahead, so this does not (I7).
 */
export class ReplicaRead implements ReplicaReading, Watched {
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
  #waiting: Waiting | undefined;

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

  next(): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting = { sinceMs: this.#clock.monotonicMs(), resolve, reject };
      this.#pull();
    });
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

  #pull(): void {
    this.#iterator.next().then(
      (next) => this.#take(next.done ? undefined : next.value),
      (error) => this.#settle()?.reject(toCairnError(error)),
    );
  }

  #take(message: ReadBlobResponse | undefined): void {
    if (message?.part.case === "header") {
      this.#pull();
      return;
    }
    const waiting = this.#settle();
    if (message?.part.case === "chunk") {
      this.#receivedBytes += message.part.value.length;
      if (this.#receivedBytes <= this.#lengthBytes) waiting?.resolve(message.part.value);
      else waiting?.reject(cutOff());
    } else if (message?.part.case === "trailer" && this.#receivedBytes === this.#lengthBytes) {
      this.#complete = true;
      waiting?.resolve(undefined);
    } else waiting?.reject(cutOff());
  }

  #settle(): Waiting | undefined {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    return waiting;
  }

  #end(reason: CairnError | undefined): void {
    this.#watch.delete(this);
    this.#call.signal.removeEventListener("abort", this.#follow);
    if (reason !== undefined) {
      this.#settle()?.reject(reason);
      this.#controller.abort(reason);
    }
    this.#iterator.return?.()?.catch(() => {});
  }
}

function cutOff(): CairnError {
  return new CairnError("SERVICE_UNAVAILABLE", { message: "The replica's stream was cut off." });
}
