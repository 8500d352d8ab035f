import type { DescMethod, DescService, Message } from "@bufbuild/protobuf";
import { CairnError, toCairnError } from "../errors/cairn-error";
import { type Call, throwIfEnded } from "./call";
import { LocalCall } from "./local-call";
import { ResponseStream } from "./response-stream";
import {
  type AnyMethod,
  type Interceptor,
  intercept,
  mapMethods,
  type ServiceClient,
  type ServiceImpl,
} from "./service";
import { wholeMessage } from "./whole-message";

/**
 * Carries a service inside one process: a function call on the generated types. No serialisation and no copy of a
 * chunk, but the same deadlines, cancellation and errors as over gRPC (transports.test.ts runs both).
 */
export function localClient<S extends DescService>(
  service: S,
  impl: ServiceImpl<S>,
  interceptors: readonly Interceptor[] = [],
): ServiceClient<S> {
  const methods = impl as unknown as Record<string, AnyMethod>;
  return mapMethods(service, (method) => {
    const handler = methods[method.localName];
    if (handler === undefined) throw new Error(`${service.typeName} lacks ${method.name}`);
    const inner = intercept(method, handler.bind(impl) as AnyMethod, interceptors);
    if (method.methodKind === "unary") return localUnary(method, inner);
    if (method.methodKind === "client_streaming") return localClientStream(method, inner);
    return localServerStream(method, inner);
  });
}

function localUnary(method: DescMethod, handler: AnyMethod): AnyMethod {
  return (request, call) =>
    answered(
      call,
      (local) => handler(wholeMessage(method.input, request), local),
      (response) => wholeMessage(method.output, response),
    );
}

function localClientStream(method: DescMethod, handler: AnyMethod): AnyMethod {
  return async (requests: AsyncIterable<Message>, call) => {
    throwIfEnded(call);
    const source = new SourceStream(requests, method);
    try {
      return await answered(
        call,
        (local) => handler(source, local),
        (response) => {
          // A handler that answers all the same cannot make a broken request a good one.
          if (source.failure !== undefined) throw source.failure;
          return wholeMessage(method.output, response);
        },
      );
    } catch (error) {
      throw source.failure ?? error;
    } finally {
      source.close();
    }
  };
}

/**
 * Settles like the handler, or rejects as soon as the call ends: one that ignores its signal holds nobody. One
 * promise beside the handler's own, since a small request makes half a dozen calls.
 */
function answered(
  call: Call,
  handle: (local: Call) => Promise<Message>,
  finish: (response: Message) => Message,
): Promise<Message> {
  return new Promise((resolve, reject) => {
    throwIfEnded(call);
    const local = new LocalCall(call, reject);
    const fail = (error: unknown) => {
      local.release();
      reject(toCairnError(error));
    };
    try {
      handle(local).then((response) => {
        local.release();
        try {
          resolve(finish(response));
        } catch (error) {
          reject(toCairnError(error));
        }
      }, fail);
    } catch (error) {
      fail(error);
    }
  });
}

function localServerStream(method: DescMethod, handler: AnyMethod): AnyMethod {
  return (request, call) => new ResponseStream(method, handler, request, call);
}

/** Messages on their way into a handler. A source that throws looks to the handler like a caller that left. */
class SourceStream implements AsyncIterable<Message>, AsyncIterator<Message> {
  failure: unknown;
  readonly #iterator: AsyncIterator<Message>;
  readonly #method: DescMethod;

  constructor(source: AsyncIterable<Message>, method: DescMethod) {
    this.#iterator = source[Symbol.asyncIterator]();
    this.#method = method;
  }

  [Symbol.asyncIterator](): AsyncIterator<Message> {
    return this;
  }

  async next(): Promise<IteratorResult<Message>> {
    try {
      const next = await this.#iterator.next();
      return next.done ? next : { done: false, value: wholeMessage(this.#method.input, next.value) };
    } catch (error) {
      this.failure = error;
      throw new CairnError("CANCELLED", { cause: error });
    }
  }

  async return(): Promise<IteratorResult<Message>> {
    this.close();
    return { done: true, value: undefined };
  }

  close(): void {
    // Not awaited: a source that waits for its own input must not hold the caller of a call that is over.
    this.#iterator.return?.()?.catch(() => {});
  }
}
