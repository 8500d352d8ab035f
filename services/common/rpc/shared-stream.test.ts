import { setTimeout as delay } from "node:timers/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { CallService, type CarryRequest, CarryRequestSchema } from "../../../gen/cairn/common/v1/calls_pb";
import { StorageService } from "../../../gen/cairn/storage/v1/storage_pb";
import { newId } from "../ids/uuid";
import type { EndSignal } from "../lifecycle/end-signal";
import { newCall } from "./call";
import { peerCheckOf } from "./cluster-secret";
import { connectGrpc, type GrpcConnection } from "./grpc-client";
import { createGrpcServer, type GrpcServer } from "./grpc-server";
import type { ServiceClient, ServiceImpl } from "./service";
import { longestCarriedBytes, mostCarriedCalls } from "./shared-stream";

const secret = "4f1c9a7be03d58264f1c9a7be03d5826";
type Storage = typeof StorageService;

let server: GrpcServer | undefined;
let connection: GrpcConnection | undefined;

afterEach(async () => {
  connection?.close();
  await server?.close(0);
});

async function serve(handlers: Partial<ServiceImpl<Storage>>, port = 0): Promise<number> {
  const all = Object.fromEntries(
    StorageService.methods.map(({ localName }) => [localName, () => Promise.reject(new Error(localName))]),
  );
  server = createGrpcServer(peerCheckOf(secret));
  server.add(StorageService, { ...all, ...handlers } as ServiceImpl<Storage>);
  return server.listen("127.0.0.1", port);
}

function clientOf(port: number): ServiceClient<Storage> {
  connection = connectGrpc(`127.0.0.1:${port}`, secret);
  return connection.client(StorageService);
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 500) throw new Error("the condition did not come true within 5 s");
    await delay(10);
  }
}

test("calls that are asked together travel in one message of one stream", async () => {
  const messages: CarryRequest[] = [];
  const foreign = new Server();
  const { method } = CallService;
  foreign.addService(
    {
      carry: {
        path: `/${CallService.typeName}/${method.carry.name}`,
        requestStream: true,
        responseStream: true,
        requestSerialize: () => Buffer.alloc(0),
        requestDeserialize: (bytes: Buffer) => fromBinary(CarryRequestSchema, bytes),
        responseSerialize: () => Buffer.alloc(0),
        responseDeserialize: () => ({}),
      },
    },
    {
      carry: (stream: ServerDuplexStream<CarryRequest, object>) => {
        stream.on("data", (message: CarryRequest) => messages.push(message));
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) =>
    foreign.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  try {
    const client = clientOf(port);
    const asked = Array.from({ length: 50 }, () => client.getNode({}, newCall({ timeoutMs: 500 })));
    await Promise.allSettled(asked);
    expect(messages[0]?.calls).toHaveLength(50);
    expect(messages[0]?.calls[0]).toMatchObject({ method: "/cairn.storage.v1.StorageService/GetNode" });
    // Those who gave up are told of, together too.
    await until(() => messages.flatMap(({ cancelled }) => cancelled).length === 50);
  } finally {
    foreign.forceShutdown();
  }
});

test("a long request and more calls than a stream carries go as calls of their own", async () => {
  let running = 0;
  let release: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const port = await serve({
    writeSmallBlob: async ({ content }) => ({ volumeId: String(content.length) }),
    getNode: async () => {
      running += 1;
      await held;
      return { nodeId: "n" };
    },
  });
  const client = clientOf(port);
  const content = Buffer.alloc(longestCarriedBytes * 2);
  const long = await client.writeSmallBlob({ blobId: newId(), content }, newCall());
  expect(long.volumeId).toBe(String(content.length));
  const many = Array.from({ length: mostCarriedCalls + 20 }, () => client.getNode({}, newCall()));
  await until(() => running === mostCarriedCalls + 20);
  release();
  expect((await Promise.all(many)).every(({ nodeId }) => nodeId === "n")).toBe(true);
});

test("a peer that knows no shared streams is asked by plain calls", async () => {
  const old = new Server();
  const { getNode } = StorageService.method;
  old.addService(
    {
      getNode: {
        path: `/${StorageService.typeName}/${getNode.name}`,
        requestStream: false,
        responseStream: false,
        requestSerialize: () => Buffer.alloc(0),
        requestDeserialize: () => ({}),
        responseSerialize: () => Buffer.alloc(0),
        responseDeserialize: () => ({}),
      },
    },
    { getNode: (_call: unknown, answer: (error: null, response: object) => void) => answer(null, {}) },
  );
  const port = await new Promise<number>((resolve, reject) =>
    old.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  try {
    const client = clientOf(port);
    const answers = await Promise.all([client.getNode({}, newCall()), client.getNode({}, newCall())]);
    expect(answers.map(({ nodeId }) => nodeId)).toEqual(["", ""]);
    expect((await client.getNode({}, newCall())).nodeId).toBe("");
  } finally {
    old.forceShutdown();
  }
});

test("a server that closes answers what runs, and a caller goes on with the next one at its address", async () => {
  let release: () => void = () => {};
  let signal: EndSignal | undefined;
  const port = await serve({
    getNode: async (_request, call) => {
      signal = call.signal;
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return { nodeId: "first" };
    },
  });
  const client = clientOf(port);
  const asked = client.getNode({}, newCall());
  await until(() => signal !== undefined);
  const closed = server?.close(5_000);
  release();
  expect((await asked).nodeId).toBe("first");
  await closed;
  await serve({ getNode: async () => ({ nodeId: "second" }) }, port);
  let next = "";
  for (let tries = 0; next === "" && tries < 100; tries++) {
    next = await client.getNode({}, newCall({ timeoutMs: 1_000 })).then(
      ({ nodeId }) => nodeId,
      () => delay(20).then(() => ""),
    );
  }
  expect(next).toBe("second");
});

test("a connection that breaks fails its open calls and tells their handlers", async () => {
  const signals: EndSignal[] = [];
  const port = await serve({
    getNode: (_request, call) => {
      signals.push(call.signal);
      return new Promise(() => {});
    },
  });
  const client = clientOf(port);
  const asked = [client.getNode({}, newCall()), client.getNode({}, newCall())];
  const outcomes = Promise.allSettled(asked);
  await until(() => signals.length === 2);
  await server?.close(0);
  for (const outcome of await outcomes)
    expect(outcome).toMatchObject({ status: "rejected", reason: { reason: "SERVICE_UNAVAILABLE" } });
  await until(() => signals.every(({ aborted }) => aborted));
});
