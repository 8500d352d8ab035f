import type { EventEmitter } from "node:events";
import type { Readable } from "node:stream";
import { type DescMethod, type DescService, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { CallService, type CarryRequest, type CarryResponse } from "../../../gen/cairn/common/v1/calls_pb";
import { ConfigError } from "../config/options";
import { CairnError, toCairnError } from "../errors/cairn-error";
import { type Call, callOver, newCall } from "./call";
import { holdFewMessages } from "./few-messages";
import { grpcChannelOptions } from "./grpc-options";
import { createGrpcHealth, type GrpcHealth, type PeerDependency } from "./health";
import { type AnyMethod, type Interceptor, intercept, type ServiceImpl } from "./service";
import { type CarriedMethod, SharedStreamServer } from "./shared-stream-server";
import { keepByteOrderMarks } from "./text-encoding";
import { wholeMessage } from "./whole-message";
import { authorizationKey, requestIdKey, toStatus, traceparentKey } from "./wire";

export type GrpcServer = {
  /** Adds a service; interceptors run where it is handled, the first one outermost. */
  add<S extends DescService>(service: S, impl: ServiceImpl<S>, interceptors?: readonly Interceptor[]): void;
  /** Shows in `grpc.health.v1` what the process needs, once it listens. */
  report(dependencies: readonly PeerDependency[]): void;
  /** Says NOT_SERVING in `grpc.health.v1`, so that balancers go elsewhere; calls are still handled. */
  drain(): void;
  /** Resolves with the port bound; 0 picks a free one. */
  listen(host: string, port: number): Promise<number>;
  /** Lets calls in flight finish within the grace, then cuts them. */
  close(graceMs: number): Promise<void>;
};

/** True when the peer may call: compares what it sent as `authorization`, in constant time. */
export type PeerCheck = (authorization: string | undefined) => boolean;

type AnyServerCall =
  | ServerUnaryCall<Message, Message>
  | ServerReadableStream<Message, Message>
  | ServerWritableStream<Message, Message>
  | ServerDuplexStream<Message, Message>
  | ServerDuplexStream<CarryRequest, CarryResponse>;

/** Serves our service interface by grpc-js, which is three times as fast for unary calls as connect-node. */
export function createGrpcServer(peerCheck: PeerCheck): GrpcServer {
  keepByteOrderMarks();
  holdFewMessages();
  const server = new Server(grpcChannelOptions);
  const added: string[] = [];
  const carried = new Map<string, CarriedMethod>();
  const streams = new Set<SharedStreamServer>();
  let health: GrpcHealth | undefined;
  return {
    add(service, impl, interceptors = []) {
      const definition: Record<string, ReturnType<typeof definitionOf>> = {};
      const handlers: UntypedServiceImplementation = {};
      for (const method of service.methods) {
        const handler = (impl as unknown as Record<string, AnyMethod>)[method.localName];
        if (handler === undefined) throw new Error(`${service.typeName} lacks ${method.name}`);
        definition[method.name] = definitionOf(service, method);
        const wrapped = intercept(method, handler.bind(impl) as AnyMethod, interceptors);
        handlers[method.name] = handlerOf(method, wrapped, peerCheck) as never;
        if (method.methodKind === "unary")
          carried.set(`/${service.typeName}/${method.name}`, { method, handler: wrapped });
      }
      server.addService(definition as ServiceDefinition, handlers);
      added.push(service.typeName);
    },
    report: (dependencies) => health?.report(dependencies),
    drain: () => health?.drain(),
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        health = createGrpcHealth(added);
        health.addTo(server);
        server.addService(
          { carry: definitionOf(CallService, CallService.method.carry) } as ServiceDefinition,
          {
            carry: (stream: ServerDuplexStream<CarryRequest, CarryResponse>) => {
              if (!isPeer(stream, peerCheck)) return void stream.emit("error", toStatus(unauthenticated()));
              const shared = new SharedStreamServer(stream, carried, () => streams.delete(shared));
              streams.add(shared);
            },
          },
        );
        const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
        server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) =>
          error === null
            ? resolve(bound)
            : reject(
                new ConfigError(
                  `${address} cannot be listened on: ${error.message}. Give another PORT or HOST.`,
                ),
              ),
        );
      }),
    close: (graceMs) =>
      new Promise((resolve) => {
        const cut = setTimeout(() => server.forceShutdown(), graceMs);
        for (const shared of streams) shared.drain();
        server.tryShutdown(() => {
          clearTimeout(cut);
          resolve();
        });
      }),
  };
}

function definitionOf(service: DescService, method: DescMethod) {
  const { input, output } = method;
  return {
    path: `/${service.typeName}/${method.name}`,
    requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    requestSerialize: (message: Message) => Buffer.from(toBinary(input, message as never)),
    requestDeserialize: (bytes: Buffer) => fromBinary(input, bytes),
    responseSerialize: (message: Message) => asBuffer(toBinary(output, message as never)),
    responseDeserialize: (bytes: Buffer) => fromBinary(output, bytes),
  };
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function handlerOf(method: DescMethod, handler: AnyMethod, peerCheck: PeerCheck) {
  return async (inbound: AnyServerCall, callback?: sendUnaryData<Message>) => {
    const ended = new AbortController();
    const events: EventEmitter = inbound;
    events.on("cancelled", () => {
      ended.abort(new CairnError("CANCELLED"));
      // Else a handler would wait for ever for the rest of a request.
      if (method.methodKind === "client_streaming")
        (inbound as Readable).destroy(new CairnError("CANCELLED"));
    });
    // A streaming call whose peer vanishes reports it as an error too; the signal says all that a handler needs.
    events.on("error", () => ended.abort(new CairnError("CANCELLED")));
    try {
      if (!isPeer(inbound, peerCheck)) throw unauthenticated();
      const call = callOf(inbound, ended.signal);
      const input =
        method.methodKind === "client_streaming" ? inbound : (inbound as { request?: unknown }).request;
      if (method.methodKind === "server_streaming") {
        await sendAll(
          inbound as ServerWritableStream<Message, Message>,
          method,
          handler(input, call),
          ended.signal,
        );
      } else {
        callback?.(null, wholeMessage(method.output, await handler(input, call)));
      }
    } catch (error) {
      const status = toStatus(toCairnError(error));
      if (callback === undefined) (inbound as ServerWritableStream<Message, Message>).emit("error", status);
      else callback(status);
    } finally {
      ended.abort(callOver);
    }
  };
}

function isPeer(inbound: AnyServerCall, peerCheck: PeerCheck): boolean {
  const authorization = inbound.metadata.get(authorizationKey)[0];
  return peerCheck(typeof authorization === "string" ? authorization : undefined);
}

function unauthenticated(): CairnError {
  return new CairnError("PEER_UNAUTHENTICATED", { hint: "Give every process the same CLUSTER_SECRET." });
}

function callOf(inbound: AnyServerCall, signal: AbortSignal): Call {
  const requestId = inbound.metadata.get(requestIdKey)[0];
  const traceparent = inbound.metadata.get(traceparentKey)[0];
  const deadline = inbound.getDeadline();
  const fresh = newCall({ signal, ...(typeof requestId === "string" ? { requestId } : {}) });
  return {
    ...fresh,
    ...(typeof traceparent === "string" ? { traceparent } : {}),
    ...(typeof deadline === "number" && Number.isFinite(deadline)
      ? { deadlineAtMs: performance.now() + deadline - Date.now() }
      : deadline instanceof Date
        ? { deadlineAtMs: performance.now() + deadline.getTime() - Date.now() }
        : {}),
  };
}

/** Writes as fast as the reader reads (I7); stops the handler's generator as soon as the reader is gone (I8). */
async function sendAll(
  stream: ServerWritableStream<Message, Message>,
  method: DescMethod,
  responses: AsyncIterable<Message>,
  signal: AbortSignal,
): Promise<void> {
  for await (const response of responses) {
    if (signal.aborted) return;
    if (!stream.write(wholeMessage(method.output, response))) await drained(stream, signal);
  }
  stream.end();
}

function drained(stream: ServerWritableStream<Message, Message>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.removeListener("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    stream.once("drain", done);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}
