import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type ClientDuplexStream, type ServiceError, status } from "@grpc/grpc-js";
import {
  type CarriedCallSchema,
  type CarryRequest,
  CarryRequestSchema,
  type CarryResponse,
} from "../../../gen/cairn/common/v1/calls_pb";
import { CairnError } from "../errors/cairn-error";
import { type Call, endReason } from "./call";
import { carryMessageBytes, longestCarriedBytes, mostCarriedCalls } from "./shared-stream";
import { fromDetail, fromStatus } from "./wire";

export type CarryStream = ClientDuplexStream<CarryRequest, CarryResponse>;
type Carried = MessageInitShape<typeof CarriedCallSchema>;

/** The peer does not know shared streams: the call was not begun, and goes as one of its own. */
export class NotCarried extends Error {}

type Open = {
  readonly call: Call;
  readonly resolve: (response: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout | undefined;
  readonly onAbort: () => void;
};

/**
 * The caller's end of a shared stream to one address. It opens with the first call and again after a failure, and all
 * that is asked within one turn of the event loop travels in one message.
 */
export class SharedStreamClient {
  readonly #openStream: () => CarryStream;
  readonly #address: string;
  readonly #open = new Map<bigint, Open>();
  #stream: CarryStream | undefined;
  #calls: Carried[] = [];
  #cancelled: bigint[] = [];
  #nextNumber = 1n;
  #scheduled = false;
  #blocked = false;
  #known = true;

  constructor(openStream: () => CarryStream, address: string) {
    this.#openStream = openStream;
    this.#address = address;
  }

  /** Whether a call with a request of this length is carried now. */
  takes(requestBytes: number): boolean {
    return (
      this.#known &&
      !this.#blocked &&
      requestBytes <= longestCarriedBytes &&
      this.#open.size < mostCarriedCalls
    );
  }

  /** The serialised response. Throws the CairnError that the peer answered, why the call ended, or NotCarried. */
  ask(method: string, request: Uint8Array, call: Call): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const number = this.#nextNumber++;
      const leftMs = call.deadlineAtMs === undefined ? 0 : call.deadlineAtMs - performance.now();
      const onAbort = () => this.#leave(number, endReason(call.signal));
      const timer =
        call.deadlineAtMs === undefined
          ? undefined
          : setTimeout(() => this.#leave(number, new CairnError("DEADLINE_EXCEEDED")), leftMs);
      this.#open.set(number, { call, resolve, reject, timer, onAbort });
      call.signal.addEventListener("abort", onAbort, { once: true });
      const { requestId, traceparent } = call;
      const timeoutMs = Math.max(0, Math.ceil(leftMs));
      this.#calls.push({ number, method, request, requestId, traceparent, timeoutMs });
      this.#schedule();
    });
  }

  /** Ends the stream; open calls fail. */
  close(): void {
    this.#stream?.end();
    this.#fail(new CairnError("SHUTTING_DOWN"));
  }

  #leave(number: bigint, error: CairnError): void {
    const left = this.#take(number);
    if (left === undefined) return;
    const unsent = this.#calls.findIndex((waiting) => waiting.number === number);
    if (unsent >= 0) this.#calls.splice(unsent, 1);
    else this.#cancelled.push(number);
    this.#schedule();
    left.reject(error);
  }

  #take(number: bigint): Open | undefined {
    const taken = this.#open.get(number);
    if (taken === undefined) return undefined;
    this.#open.delete(number);
    clearTimeout(taken.timer);
    taken.call.signal.removeEventListener("abort", taken.onAbort);
    return taken;
  }

  #schedule(): void {
    if (this.#scheduled || this.#blocked) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  #send(): void {
    if (this.#calls.length === 0 && (this.#cancelled.length === 0 || this.#stream === undefined)) {
      this.#cancelled = [];
      return;
    }
    const stream = this.#stream ?? this.#start();
    while (this.#calls.length > 0 || this.#cancelled.length > 0) {
      let bytes = 0;
      let count = 0;
      for (; count < this.#calls.length && bytes < carryMessageBytes; count++)
        bytes += this.#calls[count]?.request?.length ?? 0;
      const calls = this.#calls.splice(0, count);
      const message = create(CarryRequestSchema, { calls, cancelled: this.#cancelled.splice(0) });
      if (!stream.write(message)) {
        this.#blocked = true;
        return;
      }
    }
  }

  #start(): CarryStream {
    const stream = this.#openStream();
    this.#stream = stream;
    stream.on("data", (response: CarryResponse) => this.#answered(response));
    stream.on("drain", () => {
      this.#blocked = false;
      this.#send();
    });
    const over = (error: unknown) => {
      if (this.#stream !== stream) return;
      this.#stream = undefined;
      this.#blocked = false;
      this.#fail(error);
    };
    stream.on("error", (error: ServiceError) => {
      if (error.code === status.UNIMPLEMENTED) {
        this.#known = false;
        over(new NotCarried());
      } else over(fromStatus(error, this.#address));
    });
    stream.on("end", () =>
      over(new CairnError("SERVICE_UNAVAILABLE", { message: `${this.#address} ended its stream.` })),
    );
    return stream;
  }

  #answered({ answers }: CarryResponse): void {
    for (const { number, result } of answers) {
      const asked = this.#take(number);
      if (asked === undefined) continue;
      if (result.case === "response") asked.resolve(result.value);
      else asked.reject(fromDetail(result.value, undefined) ?? new CairnError("INTERNAL"));
    }
  }

  #fail(error: unknown): void {
    this.#calls = [];
    this.#cancelled = [];
    for (const number of [...this.#open.keys()]) this.#take(number)?.reject(error);
  }
}
