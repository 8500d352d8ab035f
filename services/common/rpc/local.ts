import { setMaxListeners } from "node:events";
import { create, type DescMethod, type DescService, type Message } from "@bufbuild/protobuf";
import { CairnError, toCairnError } from "../errors/cairn-error";
import { type Call, endReason, throwIfEnded, withSignal } from "./call";
import {
  type AnyMethod,
  type Interceptor,
  intercept,
  mapMethods,
  type ServiceClient,
  type ServiceImpl,
} from "./service";

/**
 * Carries a service inside one process: a function call on the generated types. No serialisation and no copy of a
 * chunk, but the same deadlines, cancellation and errors as over gRPC (test/rpc-transports.test.ts runs both).
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
    withLimits(call, async (limited) =>
      create(method.output, await handler(create(method.input, request), limited)),
    );
}

function localClientStream(method: DescMethod, handler: AnyMethod): AnyMethod {
  return async (requests: AsyncIterable<Message>, call) => {
    const source = new SourceStream(requests, method);
    try {
      const response = await withLimits(call, async (limited) =>
        create(method.output, await handler(source, limited)),
      );
      // A handler that answers all the same cannot make a broken request a good one.
      if (source.failure !== undefined) throw source.failure;
      return response;
    } catch (error) {
      throw source.failure ?? error;
    } finally {
      await source.close();
    }
  };
}

function localServerStream(method: DescMethod, handler: AnyMethod): AnyMethod {
  return async function* (request, call) {
    throwIfEnded(call);
    const limits = limit(call);
    const responses = (handler(create(method.input, request), limits.call) as AsyncIterable<Message>)[
      Symbol.asyncIterator
    ]();
    try {
      while (true) {
        const next = await orEnd(responses.next(), limits.call);
        if (next.done) return;
        yield create(method.output, next.value);
      }
    } catch (error) {
      throw toCairnError(error);
    } finally {
      // The reader may have left early, or the deadline may have passed: either ends the writer at once (I8).
      limits.release();
      responses.return?.()?.catch(() => {});
    }
  };
}

/** Messages on their way into a handler. A source that throws looks to the handler like a caller that left. */
class SourceStream implements AsyncIterable<Message> {
  failure: unknown;
  readonly #iterator: AsyncIterator<Message>;
  readonly #method: DescMethod;

  constructor(source: AsyncIterable<Message>, method: DescMethod) {
    this.#iterator = source[Symbol.asyncIterator]();
    this.#method = method;
  }

  [Symbol.asyncIterator](): AsyncIterator<Message> {
    return {
      next: async () => {
        try {
          const next = await this.#iterator.next();
          return next.done ? next : { done: false, value: create(this.#method.input, next.value) };
        } catch (error) {
          this.failure = error;
          throw new CairnError("CANCELLED", { cause: error });
        }
      },
      return: async () => {
        await this.close();
        return { done: true, value: undefined };
      },
    };
  }

  async close(): Promise<void> {
    // Not awaited: a source that waits for its own input must not hold the caller of a call that is over.
    this.#iterator.return?.()?.catch(() => {});
  }
}

async function withLimits<T>(call: Call, work: (limited: Call) => Promise<T>): Promise<T> {
  throwIfEnded(call);
  const limits = limit(call);
  try {
    return await orEnd(work(limits.call), limits.call);
  } catch (error) {
    throw toCairnError(error);
  } finally {
    limits.release();
  }
}

/** A call whose signal also follows its deadline, and ends when it is released. */
function limit(call: Call): { call: Call; release(): void } {
  const controller = new AbortController();
  // A handler may make any number of calls under its own: that is no leak.
  setMaxListeners(0, controller.signal);
  const follow = () => controller.abort(endReason(call.signal));
  call.signal.addEventListener("abort", follow, { once: true });
  const timer =
    call.deadlineAtMs === undefined
      ? undefined
      : setTimeout(
          () => controller.abort(new CairnError("DEADLINE_EXCEEDED")),
          call.deadlineAtMs - performance.now(),
        );
  return {
    call: withSignal(call, controller.signal),
    release: () => {
      // As over the wire, a call's signal ends with it: work that outlives its call needs a call of its own.
      controller.abort(new CairnError("CANCELLED"));
      clearTimeout(timer);
      call.signal.removeEventListener("abort", follow);
    },
  };
}

/** Settles like `work`, or rejects as soon as the call ends: a handler that ignores its signal holds nobody. */
function orEnd<T>(work: Promise<T>, call: Call): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = () => reject(endReason(call.signal));
    if (call.signal.aborted) end();
    else call.signal.addEventListener("abort", end, { once: true });
    work.then(resolve, reject).finally(() => call.signal.removeEventListener("abort", end));
  });
}
