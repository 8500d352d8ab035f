import { type DescMethod, type DescService, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import {
  Client,
  type ClientReadableStream,
  type ClientWritableStream,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { CarryRequestSchema, CarryResponseSchema } from "../../../gen/cairn/common/v1/calls_pb";
import { type Call, endReason, throwIfEnded } from "./call";
import { holdFewMessages } from "./few-messages";
import { grpcChannelOptions } from "./grpc-options";
import { asBuffer } from "./grpc-server";
import { GrpcSessions } from "./grpc-sessions";
import { askHealth, type PeerDependency } from "./health";
import { mapStream } from "./map-stream";
import type { ResetLimit } from "./reset-budget";
import { type AnyMethod, type Interceptor, intercept, mapMethods, type ServiceClient } from "./service";
import { carryPath } from "./shared-stream";
import { type CarryStream, NotCarried, SharedStreamClient } from "./shared-stream-client";
import { keepByteOrderMarks } from "./text-encoding";
import { wholeMessage } from "./whole-message";
import { authorizationKey, fromStatus, requestIdKey, traceparentKey } from "./wire";

export type GrpcConnection = {
  /** A client of one service at this address; calls share the connection. */
  client<S extends DescService>(service: S, interceptors?: readonly Interceptor[]): ServiceClient<S>;
  /** Asks `grpc.health.v1` whether the process serves. Throws SERVICE_UNAVAILABLE or DEADLINE_EXCEEDED. */
  health(timeoutMs: number): Promise<PeerDependency[]>;
  close(): void;
};

type Codec = {
  path: string;
  serialize: (message: Message) => Buffer;
  deserialize: (bytes: Buffer) => Message;
};

/** A session shares its connection with no other, or giving one up would change nothing. */
const sessionOptions = { ...grpcChannelOptions, "grpc.use_local_subchannel_pool": 1 };

/**
 * A connection to a process at `address` ("host:port"). Opens when first used and reopens by itself.
 * `resetLimit` is what the peer bears, when it is not a server of ours.
 */
export function connectGrpc(address: string, clusterSecret: string, resetLimit?: ResetLimit): GrpcConnection {
  keepByteOrderMarks();
  holdFewMessages();
  const sessions = new GrpcSessions(
    () => new Client(address, credentials.createInsecure(), sessionOptions),
    resetLimit,
  );
  const authorization = `Bearer ${clusterSecret}`;
  const shared = new SharedStreamClient(() => {
    const { channel, end } = sessions.begin();
    const metadata = new Metadata();
    metadata.set(authorizationKey, authorization);
    const stream: CarryStream = channel.makeBidiStreamRequest(
      carryPath,
      (message) => asBuffer(toBinary(CarryRequestSchema, message)),
      (bytes) => fromBinary(CarryResponseSchema, bytes),
      metadata,
    );
    stream.once("close", () => end(false)).once("error", () => end(false));
    return stream;
  }, address);
  const start: Start = { sessions, shared, address, metadata: (call) => metadataOf(call, authorization) };
  return {
    client: (service, interceptors = []) =>
      mapMethods(service, (method) =>
        takeInitialisers(method, intercept(method, methodOf(start, service, method), interceptors)),
      ),
    health: (timeoutMs) => {
      const { channel, end } = sessions.begin();
      return askHealth(channel, address, timeoutMs).finally(() => end(false));
    },
    close: () => {
      shared.close();
      sessions.close();
    },
  };
}

/** Callers give initialisers; wrappers and the wire see whole messages. */
function takeInitialisers(method: DescMethod, next: AnyMethod): AnyMethod {
  // A request that a wrapper refuses is an answer too: nothing is thrown at who expects a promise.
  if (method.methodKind === "unary")
    return async (request, call) => next(wholeMessage(method.input, request), call);
  if (method.methodKind === "server_streaming")
    return (request, call) => next(wholeMessage(method.input, request), call);
  return (requests: AsyncIterable<Message>, call) =>
    next(
      mapStream(requests, (init) => wholeMessage(method.input, init)),
      call,
    );
}

type Start = {
  sessions: GrpcSessions;
  shared: SharedStreamClient;
  address: string;
  metadata: (call: Call) => Metadata;
};

function metadataOf(call: Call, authorization: string): Metadata {
  const metadata = new Metadata();
  metadata.set(authorizationKey, authorization);
  metadata.set(requestIdKey, call.requestId);
  metadata.set(traceparentKey, call.traceparent);
  return metadata;
}

function optionsOf(call: Call): { deadline?: number } {
  return call.deadlineAtMs === undefined
    ? {}
    : { deadline: Date.now() + call.deadlineAtMs - performance.now() };
}

function methodOf(start: Start, service: DescService, method: DescMethod): AnyMethod {
  const codec: Codec = {
    path: `/${service.typeName}/${method.name}`,
    serialize: (message) => asBuffer(toBinary(method.input, message as never)),
    deserialize: (bytes) => fromBinary(method.output, bytes) as Message,
  };
  if (method.methodKind === "unary") return unary(start, codec);
  if (method.methodKind === "client_streaming") return clientStream(start, codec);
  return serverStream(start, codec);
}

/** Whether a call that failed so was cut short by this end. */
function isReset(error: ServiceError, call: Call): boolean {
  return call.signal.aborted || error.code === status.CANCELLED || error.code === status.DEADLINE_EXCEEDED;
}

/** Carried by the shared stream when it is short, else a call of its own. */
function unary(start: Start, codec: Codec): AnyMethod {
  return async (request, call) => {
    throwIfEnded(call);
    const bytes = codec.serialize(request);
    if (start.shared.takes(bytes.length)) {
      try {
        return codec.deserialize(asBuffer(await start.shared.ask(codec.path, bytes, call)));
      } catch (error) {
        if (!(error instanceof NotCarried)) throw error;
      }
    }
    return unaryOfItsOwn(start, codec, bytes, call);
  };
}

function unaryOfItsOwn(
  { sessions, address, metadata }: Start,
  codec: Codec,
  bytes: Buffer,
  call: Call,
): Promise<Message> {
  const { channel, end } = sessions.begin();
  return new Promise((resolve, reject) => {
    const cancel = () => outbound.cancel();
    const outbound = channel.makeUnaryRequest(
      codec.path,
      (serialised: Buffer) => serialised,
      codec.deserialize,
      bytes,
      metadata(call),
      optionsOf(call),
      (error, response) => {
        call.signal.removeEventListener("abort", cancel);
        end(error !== null && isReset(error, call));
        if (error !== null) reject(call.signal.aborted ? endReason(call.signal) : fromStatus(error, address));
        else resolve(response as Message);
      },
    );
    call.signal.addEventListener("abort", cancel, { once: true });
  });
}

function clientStream({ sessions, address, metadata }: Start, codec: Codec): AnyMethod {
  return async (requests: AsyncIterable<Message>, call) => {
    throwIfEnded(call);
    const source = requests[Symbol.asyncIterator]();
    let sourceFailure: unknown;
    let over = false;
    let sent = false;
    const { channel, end } = sessions.begin();
    return new Promise((resolve, reject) => {
      const outbound = channel.makeClientStreamRequest(
        codec.path,
        codec.serialize,
        codec.deserialize,
        metadata(call),
        optionsOf(call),
        (error: ServiceError | null, response?: Message) => {
          over = true;
          // A peer that answers before all was sent has the rest of the stream cut off.
          end(!sent || (error !== null && isReset(error, call)));
          source.return?.()?.catch(() => {});
          call.signal.removeEventListener("abort", cancel);
          if (error === null) return resolve(response);
          reject(
            sourceFailure ?? (call.signal.aborted ? endReason(call.signal) : fromStatus(error, address)),
          );
        },
      );
      const cancel = () => outbound.cancel();
      call.signal.addEventListener("abort", cancel, { once: true });
      // The callback tells of every failure; the event alone would end the process.
      outbound.on("error", () => {});
      pump(source, outbound, () => over).then(
        () => {
          sent = !over;
        },
        (error) => {
          sourceFailure = error;
          outbound.cancel();
        },
      );
    });
  };
}

/** Writes as fast as the peer reads (I7); stops when the peer has answered early, as it does to refuse. */
async function pump(
  source: AsyncIterator<Message>,
  outbound: ClientWritableStream<Message>,
  over: () => boolean,
): Promise<void> {
  while (!over()) {
    const next = await source.next();
    if (over()) return;
    if (next.done) return void outbound.end();
    if (!outbound.write(next.value)) await writable(outbound);
  }
}

function writable(outbound: ClientWritableStream<Message>): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of ["drain", "status", "error", "close"]) outbound.removeListener(event, done);
      resolve();
    };
    for (const event of ["drain", "status", "error", "close"]) outbound.on(event, done);
  });
}

/** Our server streams end with a message that says so: what follows it is only the status. */
function isTrailer(message: Message): boolean {
  return (message as { part?: { case?: string } }).part?.case === "trailer";
}

function serverStream({ sessions, address, metadata }: Start, codec: Codec): AnyMethod {
  return async function* (request, call) {
    throwIfEnded(call);
    const { channel, end } = sessions.begin();
    const inbound: ClientReadableStream<Message> = channel.makeServerStreamRequest(
      codec.path,
      codec.serialize,
      codec.deserialize,
      request,
      metadata(call),
      optionsOf(call),
    );
    // A call that is cancelled reports it when nobody iterates any more.
    inbound.on("error", () => {});
    const cancel = () => inbound.cancel();
    call.signal.addEventListener("abort", cancel, { once: true });
    let whole = false;
    let refused = false;
    try {
      for await (const message of inbound.iterator({ destroyOnReturn: false })) {
        whole = isTrailer(message);
        yield message;
      }
      whole = true;
    } catch (error) {
      refused = !isReset(error as ServiceError, call);
      throw call.signal.aborted ? endReason(call.signal) : fromStatus(error, address);
    } finally {
      call.signal.removeEventListener("abort", cancel);
      // Breaking out of the loop does not by itself tell the peer to stop (I8). But a reader that has the trailer is
      // through: a reset for each such call would make the peer close the session (nghttp2 allows 33 a second).
      if (whole) inbound.resume();
      else inbound.cancel();
      end(!whole && !refused);
    }
  };
}
