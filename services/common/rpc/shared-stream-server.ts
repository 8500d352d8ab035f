import { create, type DescMethod, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { ServerDuplexStream } from "@grpc/grpc-js";
import {
  type CarriedAnswerSchema,
  type CarriedCall,
  type CarryRequest,
  type CarryResponse,
  CarryResponseSchema,
} from "../../../gen/cairn/common/v1/calls_pb";
import { CairnError, toCairnError } from "../errors/cairn-error";
import { EndController } from "../lifecycle/end-signal";
import { type Call, callOver } from "./call";
import type { AnyMethod } from "./service";
import { carryMessageBytes, mostCarriedCalls } from "./shared-stream";
import { wholeMessage } from "./whole-message";
import { toDetail } from "./wire";

export type CarriedMethod = { readonly method: DescMethod; readonly handler: AnyMethod };
type Answer = MessageInitShape<typeof CarriedAnswerSchema>;

/** The serving end of one shared stream: runs the calls that come, and sends answers together as they are ready. */
export class SharedStreamServer {
  readonly #stream: ServerDuplexStream<CarryRequest, CarryResponse>;
  readonly #methods: ReadonlyMap<string, CarriedMethod>;
  readonly #running = new Map<bigint, EndController>();
  #answers: Answer[] = [];
  #scheduled = false;
  #blocked = false;
  #draining = false;
  #over = false;

  constructor(
    stream: ServerDuplexStream<CarryRequest, CarryResponse>,
    methods: ReadonlyMap<string, CarriedMethod>,
    onOver: () => void,
  ) {
    this.#stream = stream;
    this.#methods = methods;
    const over = () => {
      if (this.#over) return;
      this.#over = true;
      const reason = new CairnError("CANCELLED");
      for (const controller of this.#running.values()) controller.abort(reason);
      onOver();
    };
    stream.on("data", (request: CarryRequest) => this.#take(request));
    stream.on("drain", () => {
      this.#blocked = false;
      this.#send();
    });
    stream.on("end", () => this.drain());
    stream.on("cancelled", over);
    stream.on("error", over);
    stream.on("close", over);
    stream.on("finish", over);
  }

  /** Takes no more calls, and ends the stream when those that run are answered. */
  drain(): void {
    this.#draining = true;
    this.#endWhenIdle();
  }

  #take({ calls, cancelled }: CarryRequest): void {
    for (const number of cancelled) this.#running.get(number)?.abort(new CairnError("CANCELLED"));
    for (const carried of calls) {
      if (this.#draining) this.#answer(carried.number, { error: new CairnError("SHUTTING_DOWN") });
      else void this.#run(carried);
    }
    this.#pace();
  }

  async #run({
    number,
    method: path,
    request,
    requestId,
    traceparent,
    timeoutMs,
  }: CarriedCall): Promise<void> {
    const known = this.#methods.get(path);
    if (known === undefined) return this.#answer(number, { error: new CairnError("NOT_IMPLEMENTED") });
    const controller = new EndController();
    this.#running.set(number, controller);
    const call: Call = {
      requestId,
      traceparent,
      signal: controller.signal,
      ...(timeoutMs === 0 ? {} : { deadlineAtMs: performance.now() + timeoutMs }),
    };
    try {
      const { input, output } = known.method;
      const answer = wholeMessage(output, await known.handler(fromBinary(input, request), call));
      this.#answer(number, { response: toBinary(output, answer as never) });
    } catch (error) {
      this.#answer(number, { error: toCairnError(error) });
    } finally {
      this.#running.delete(number);
      controller.abort(callOver);
      this.#pace();
      this.#endWhenIdle();
    }
  }

  #answer(number: bigint, result: { response: Uint8Array } | { error: CairnError }): void {
    this.#answers.push({
      number,
      result:
        "response" in result
          ? { case: "response", value: result.response }
          : { case: "error", value: toDetail(result.error) },
    });
    if (this.#scheduled || this.#blocked) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  #send(): void {
    while (this.#answers.length > 0 && !this.#over) {
      let bytes = 0;
      let count = 0;
      for (; count < this.#answers.length && bytes < carryMessageBytes; count++) {
        const result = this.#answers[count]?.result;
        if (result?.case === "response") bytes += result.value.length;
      }
      const answers = this.#answers.splice(0, count);
      if (!this.#stream.write(create(CarryResponseSchema, { answers }))) {
        this.#blocked = true;
        break;
      }
    }
    this.#pace();
    this.#endWhenIdle();
  }

  /** A peer that does not read its answers, or asks for more than is allowed at once, is not read either (I7). */
  #pace(): void {
    if (this.#blocked || this.#running.size >= mostCarriedCalls) this.#stream.pause();
    else if (this.#stream.isPaused()) this.#stream.resume();
  }

  #endWhenIdle(): void {
    if (this.#draining && this.#running.size === 0 && this.#answers.length === 0 && !this.#over)
      this.#stream.end();
  }
}
