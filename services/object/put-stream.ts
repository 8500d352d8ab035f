import type { PutObjectFinish, PutObjectHeader, PutObjectRequest } from "../../gen/cairn/object/v1/object_pb";
import { CairnError } from "../common/errors/cairn-error";
import { type Call, endReason } from "../common/rpc/call";
import type { BodySource } from "./put-object";

const maxChunkBytes = 1024 * 1024;

/**
 * The stream of a put in order: header, chunks, finish; anything else is INVALID_STREAM. A stream that ends without
 * finish is an abort, CANCELLED. `next` rejects as soon as the call ends, whatever the sender does (I8).
 */
export class PutStream implements BodySource {
  readonly #iterator: AsyncIterator<PutObjectRequest>;
  readonly #call: Call;
  #reject: ((error: CairnError) => void) | undefined;

  constructor(requests: AsyncIterable<PutObjectRequest>, call: Call) {
    this.#iterator = requests[Symbol.asyncIterator]();
    this.#call = call;
    call.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  async header(): Promise<PutObjectHeader> {
    const { part } = await this.#message();
    if (part.case !== "header") throw invalid("The first message must be the header.");
    return part.value;
  }

  async next(): Promise<Uint8Array | PutObjectFinish> {
    const { part } = await this.#message();
    if (part.case === "finish") return part.value;
    if (part.case !== "chunk") throw invalid("A chunk or the finish was expected.");
    if (part.value.length === 0 || part.value.length > maxChunkBytes) {
      throw invalid(`A chunk has 1 byte to 1 MiB; this one has ${part.value.length} bytes.`);
    }
    return part.value;
  }

  /** Says to the sender that no more is wanted. */
  close(): void {
    this.#call.signal.removeEventListener("abort", this.#onAbort);
    this.#iterator.return?.()?.catch(() => {});
  }

  #message(): Promise<PutObjectRequest> {
    return new Promise((resolve, reject) => {
      if (this.#call.signal.aborted) return reject(endReason(this.#call.signal));
      this.#reject = reject;
      this.#iterator.next().then((next) => {
        if (next.done) reject(new CairnError("CANCELLED", { message: "The stream ended without a finish." }));
        else resolve(next.value);
      }, reject);
    });
  }

  readonly #onAbort = () => this.#reject?.(endReason(this.#call.signal));
}

function invalid(message: string): CairnError {
  return new CairnError("INVALID_STREAM", { message });
}
