import type { DescMethod, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Call } from "./call";

/**
 * One shape for a service on both ends and on every transport.
 *
 * Unary:           (request, call) => Promise<response>
 * Client stream:   (requests, call) => Promise<response>
 * Server stream:   (request, call) => AsyncIterable<response>
 *
 * An implementation takes whole messages and may answer with initialisers; a client takes initialisers and
 * answers whole messages. Streams are pulled: whoever is slow stops the other end (I7). A client that stops
 * reading early calls `return()` of the iterator, as `break` in `for await` does; that cancels the call.
 */
type Unary<In, Out> = (request: In, call: Call) => Promise<Out>;
type ClientStream<In, Out> = (requests: AsyncIterable<In>, call: Call) => Promise<Out>;
type ServerStream<In, Out> = (request: In, call: Call) => AsyncIterable<Out>;

type Method<M extends DescMethod, In, Out> = M["methodKind"] extends "unary"
  ? Unary<In, Out>
  : M["methodKind"] extends "client_streaming"
    ? ClientStream<In, Out>
    : M["methodKind"] extends "server_streaming"
      ? ServerStream<In, Out>
      : never;

export type ServiceImpl<S extends DescService> = {
  [K in keyof S["method"]]: Method<
    S["method"][K],
    MessageShape<S["method"][K]["input"]>,
    MessageInitShape<S["method"][K]["output"]>
  >;
};

export type ServiceClient<S extends DescService> = {
  [K in keyof S["method"]]: Method<
    S["method"][K],
    MessageInitShape<S["method"][K]["input"]>,
    MessageShape<S["method"][K]["output"]>
  >;
};

/** A method without its types, as wrappers see it: first argument a message or an iterable of messages. */
// biome-ignore lint/suspicious/noExplicitAny: a wrapper serves every method of every service
export type AnyMethod = (input: any, call: Call) => any;

/**
 * Wraps one method for a cross-cutting concern (validation, metrics, deadlines). Returns `next` itself where there
 * is nothing to do, so that such methods pay nothing.
 */
export type Interceptor = (method: DescMethod, next: AnyMethod) => AnyMethod;

/** Builds an object with each method of `service` made by `make`. */
export function mapMethods<S extends DescService, T>(service: S, make: (method: DescMethod) => AnyMethod): T {
  const result: Record<string, AnyMethod> = {};
  for (const method of service.methods) result[method.localName] = make(method);
  return result as T;
}

/** Applies interceptors so that the first one is outermost. */
export function intercept(
  method: DescMethod,
  inner: AnyMethod,
  interceptors: readonly Interceptor[],
): AnyMethod {
  return interceptors.reduceRight((next, interceptor) => interceptor(method, next), inner);
}
