import { setTimeout as delay } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type ReadBlobRequestSchema,
  type ReadBlobResponseSchema,
  StorageService,
  type WriteBlobRequestSchema,
} from "../../../gen/cairn/storage/v1/storage_pb";
import { CairnError } from "../errors/cairn-error";
import { newId } from "../ids/uuid";
import type { EndSignal } from "../lifecycle/end-signal";
import { type Call, newCall } from "./call";
import { peerCheckOf } from "./cluster-secret";
import { connectGrpc } from "./grpc-client";
import { createGrpcServer } from "./grpc-server";
import { limitUnary } from "./limit-unary";
import { localClient } from "./local";
import type { ServiceClient, ServiceImpl } from "./service";
import { validateRequests } from "./validate";

type Storage = typeof StorageService;
type WriteRequest = MessageInitShape<typeof WriteBlobRequestSchema>;
type ReadResponse = MessageInitShape<typeof ReadBlobResponseSchema>;

/** What a test lets the methods do; the others answer UNIMPLEMENTED. */
type Handlers = Partial<ServiceImpl<Storage>>;

function serve(handlers: Handlers): ServiceImpl<Storage> {
  const refuse = () => {
    throw new CairnError("NOT_IMPLEMENTED");
  };
  const all = Object.fromEntries(StorageService.methods.map((method) => [method.localName, refuse]));
  return { ...all, ...handlers } as ServiceImpl<Storage>;
}

const secret = "4f1c9a7be03d58264f1c9a7be03d5826";

/** Each way of carrying the same interface; the promises below hold for both. */
const carriers = {
  "in process": async (impl: ServiceImpl<Storage>) => ({
    client: localClient(StorageService, impl, [validateRequests]),
    close: async () => {},
  }),
  "over gRPC": async (impl: ServiceImpl<Storage>) => {
    const server = createGrpcServer(peerCheckOf(secret));
    server.add(StorageService, impl);
    const port = await server.listen("127.0.0.1", 0);
    const connection = connectGrpc(`127.0.0.1:${port}`, secret);
    return {
      client: connection.client(StorageService, [validateRequests]),
      close: async () => {
        connection.close();
        await server.close(0);
      },
    };
  },
} as const;

const blobId = newId();
const volumeId = newId();
const readRequest: MessageInitShape<typeof ReadBlobRequestSchema> = { blobId, volumeId };

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 500) throw new Error("the condition did not come true within 5 s");
    await delay(10);
  }
}

describe.each(Object.keys(carriers) as (keyof typeof carriers)[])("a service carried %s", (carrier) => {
  let close: () => Promise<void> = async () => {};
  const open = async (handlers: Handlers): Promise<ServiceClient<Storage>> => {
    const carried = await carriers[carrier](serve(handlers));
    close = carried.close;
    return carried.client;
  };
  afterEach(() => close());

  test("a unary call brings its answer, request id and trace", async () => {
    let seen: Call | undefined;
    const client = await open({
      getNode: async (_request, call) => {
        seen = call;
        return { nodeId: "n", volumes: [{ volumeId: "v", capacityBytes: 2n ** 60n }] };
      },
    });
    const call = newCall();
    const answer = await client.getNode({}, call);
    expect(answer.volumes[0]?.capacityBytes).toBe(2n ** 60n);
    expect(seen).toMatchObject({ requestId: call.requestId, traceparent: call.traceparent });
  });

  test("an error keeps its reason, sentence, resource, hint and params", async () => {
    const thrown = new CairnError("RANGE_NOT_SATISFIABLE", {
      message: "bytes 7-9 of 5 – außerhalb",
      resource: "b/k",
      hint: "ask for less",
      params: { size_bytes: "5" },
    });
    const client = await open({
      getNode: async () => {
        throw thrown;
      },
    });
    const { reason, message, resource, hint, params } = thrown;
    await expect(client.getNode({}, newCall())).rejects.toMatchObject({
      reason,
      message,
      resource,
      hint,
      params,
    });
  });

  test("what is not a CairnError is INTERNAL and tells nothing", async () => {
    const client = await open({
      getNode: async () => {
        throw new Error("password=hunter2");
      },
    });
    const error: CairnError = await client.getNode({}, newCall()).catch((thrown) => thrown);
    expect(error.reason).toBe("INTERNAL");
    expect(error.message).not.toContain("hunter2");
  });

  test("a deadline ends the call and aborts the handler", async () => {
    let signal: EndSignal | undefined;
    const client = await open({
      getNode: (_request, call) => {
        signal = call.signal;
        expect(call.deadlineAtMs).toBeLessThanOrEqual(performance.now() + 60);
        return new Promise(() => {});
      },
    });
    await expect(client.getNode({}, newCall({ timeoutMs: 50 }))).rejects.toMatchObject({
      reason: "DEADLINE_EXCEEDED",
    });
    await until(() => signal?.aborted === true);
  });

  test("a caller that leaves ends the call and aborts the handler", async () => {
    const leaving = new AbortController();
    let signal: EndSignal | undefined;
    const client = await open({
      getNode: (_request, call) => {
        signal = call.signal;
        leaving.abort(new CairnError("CLIENT_GONE"));
        return new Promise(() => {});
      },
    });
    await expect(client.getNode({}, newCall({ signal: leaving.signal }))).rejects.toMatchObject({
      reason: "CLIENT_GONE",
    });
    await until(() => signal?.aborted === true);
  });

  test("a request that breaks a rule of its contract is refused and never handled", async () => {
    let handled = false;
    const client = await open({
      verifyBlob: async () => {
        handled = true;
        return {};
      },
    });
    await expect(client.verifyBlob({ blobId: "x", volumeId }, newCall())).rejects.toMatchObject({
      reason: "INVALID_ARGUMENT",
      resource: "blob_id",
    });
    expect(handled).toBe(false);
  });

  test("a client stream arrives in order and whole", async () => {
    const client = await open({
      writeBlob: async (requests) => {
        const seen: string[] = [];
        for await (const { part } of requests)
          seen.push(part.case === "chunk" ? `${part.value.length}` : `${part.case}`);
        return { volumeId: seen.join(" ") };
      },
    });
    async function* source(): AsyncGenerator<WriteRequest> {
      yield { part: { case: "header", value: { blobId } } };
      yield { part: { case: "chunk", value: new Uint8Array(1024 * 1024) } };
      yield { part: { case: "finish", value: { sizeBytes: 1048576n, crc32c: 1 } } };
    }
    expect((await client.writeBlob(source(), newCall())).volumeId).toBe("header 1048576 finish");
  });

  // gRPC may show a cut-off stream as one that ended, which is why streams have an explicit finish.
  test("a source that fails cancels the call, shows no finish, and the caller gets the source's error", async () => {
    const seen: (string | undefined)[] = [];
    let signal: EndSignal | undefined;
    const client = await open({
      writeBlob: async (requests, call) => {
        signal = call.signal;
        for await (const { part } of requests) seen.push(part.case);
        return {};
      },
    });
    async function* source(): AsyncGenerator<WriteRequest> {
      yield { part: { case: "header", value: { blobId } } };
      await until(() => seen.length > 0);
      throw new CairnError("CLIENT_GONE");
    }
    await expect(client.writeBlob(source(), newCall())).rejects.toMatchObject({ reason: "CLIENT_GONE" });
    await until(() => signal?.aborted === true);
    expect(seen).toEqual(["header"]);
  });

  test("a handler that refuses early ends the call while the source still waits", async () => {
    let released = false;
    const client = await open({
      writeBlob: async (requests) => {
        for await (const _ of requests) throw new CairnError("VOLUME_FULL");
        return {};
      },
    });
    const source: AsyncIterable<WriteRequest> = {
      [Symbol.asyncIterator]: () => {
        let sent = false;
        return {
          next: () => {
            if (sent) return new Promise(() => {});
            sent = true;
            return Promise.resolve({
              done: false,
              value: { part: { case: "header" as const, value: { blobId } } },
            });
          },
          return: async () => {
            released = true;
            return { done: true, value: undefined };
          },
        };
      },
    };
    await expect(client.writeBlob(source, newCall())).rejects.toMatchObject({ reason: "VOLUME_FULL" });
    await until(() => released);
  });

  test("a server stream that fails midway gives what came before, then the error", async () => {
    const client = await open({
      readBlob: async function* (): AsyncGenerator<ReadResponse> {
        yield { part: { case: "header", value: { sizeBytes: 9n } } };
        yield { part: { case: "chunk", value: new Uint8Array(9) } };
        throw new CairnError("DAMAGED_BLOB");
      },
    });
    const seen: (string | undefined)[] = [];
    const read = async () => {
      for await (const { part } of client.readBlob(readRequest, newCall())) seen.push(part.case);
    };
    await expect(read()).rejects.toMatchObject({ reason: "DAMAGED_BLOB" });
    expect(seen).toEqual(["header", "chunk"]);
  });

  test("a reader that leaves early ends the writer at once", async () => {
    let released = false;
    const client = await open({
      readBlob: async function* (_request, call): AsyncGenerator<ReadResponse> {
        call.signal.addEventListener("abort", () => {
          released = true;
        });
        while (true) yield { part: { case: "chunk", value: new Uint8Array(1024) } };
      },
    });
    for await (const _ of client.readBlob(readRequest, newCall())) break;
    await until(() => released);
  });

  test("a reader that stops reading stops the writer", async () => {
    let written = 0;
    const chunk = new Uint8Array(1024 * 1024);
    const client = await open({
      readBlob: async function* (): AsyncGenerator<ReadResponse> {
        for (written = 0; written < 512; written++) yield { part: { case: "chunk", value: chunk } };
      },
    });
    const reader = client.readBlob(readRequest, newCall())[Symbol.asyncIterator]();
    await reader.next();
    let before = -1;
    // The writer has stopped once it makes no headway over a whole pause.
    for (let pause = 0; pause < 50 && written !== before; pause++) {
      before = written;
      await delay(100);
    }
    expect(written).toBe(before);
    expect(written).toBeLessThan(32);
    await reader.return?.();
  });

  test("a reader of requests that stops reading stops the source", async () => {
    let pulled = 0;
    const client = await open({
      writeBlob: async (requests, call) => {
        const iterator = requests[Symbol.asyncIterator]();
        await iterator.next();
        await new Promise<void>((resolve) => call.signal.addEventListener("abort", resolve));
        return {};
      },
    });
    const chunk = new Uint8Array(1024 * 1024);
    async function* source(): AsyncGenerator<WriteRequest> {
      for (pulled = 0; pulled < 512; pulled++) yield { part: { case: "chunk", value: chunk } };
    }
    const leaving = new AbortController();
    const call = client.writeBlob(source(), newCall({ signal: leaving.signal })).catch((error) => error);
    let before = -1;
    for (let pause = 0; pause < 50 && pulled !== before; pause++) {
      before = pulled;
      await delay(100);
    }
    expect(pulled).toBe(before);
    expect(pulled).toBeLessThan(32);
    leaving.abort(new CairnError("CLIENT_GONE"));
    expect(await call).toMatchObject({ reason: "CLIENT_GONE" });
  });
});

test("a peer with another secret, or none, is PEER_UNAUTHENTICATED and handled by nobody", async () => {
  let handled = false;
  const server = createGrpcServer(peerCheckOf(secret));
  server.add(
    StorageService,
    serve({
      getNode: async () => {
        handled = true;
        return {};
      },
    }),
  );
  const port = await server.listen("127.0.0.1", 0);
  const connection = connectGrpc(`127.0.0.1:${port}`, `${secret}x`);
  await expect(connection.client(StorageService).getNode({}, newCall())).rejects.toMatchObject({
    reason: "PEER_UNAUTHENTICATED",
  });
  expect(handled).toBe(false);
  connection.close();
  await server.close(0);
});

test("thousands of readers that stop at the trailer leave the session open", async () => {
  const server = createGrpcServer(peerCheckOf(secret));
  server.add(
    StorageService,
    serve({
      readBlob: async function* (): AsyncGenerator<ReadResponse> {
        yield { part: { case: "header", value: { sizeBytes: 1n } } };
        yield { part: { case: "trailer", value: { sentBytes: 1n } } };
      },
    }),
  );
  const connection = connectGrpc(`127.0.0.1:${await server.listen("127.0.0.1", 0)}`, secret);
  const client = connection.client(StorageService);
  const read = async () => {
    for await (const { part } of client.readBlob(readRequest, newCall())) if (part.case === "trailer") break;
  };
  // nghttp2 closes a session after 1,000 resets in a burst.
  for (let round = 0; round < 60; round++) await Promise.all(Array.from({ length: 50 }, read));
  connection.close();
  await server.close(0);
});

test("a port that is taken is refused with a sentence", async () => {
  const first = createGrpcServer(peerCheckOf(secret));
  const second = createGrpcServer(peerCheckOf(secret));
  const port = await first.listen("127.0.0.1", 0);
  await expect(second.listen("127.0.0.1", port)).rejects.toThrow(/127\.0\.0\.1:\d+ cannot be listened on/);
  await first.close(0);
  await second.close(0);
});

test("a peer that never answers holds a unary call no longer than the limit", async () => {
  const server = createGrpcServer(peerCheckOf(secret));
  server.add(StorageService, serve({ getNode: () => new Promise(() => {}) }));
  const connection = connectGrpc(`127.0.0.1:${await server.listen("127.0.0.1", 0)}`, secret);
  await expect(
    connection.client(StorageService, [limitUnary(50)]).getNode({}, newCall()),
  ).rejects.toMatchObject({ reason: "DEADLINE_EXCEEDED" });
  connection.close();
  await server.close(0);
});

test("an address where nobody listens is SERVICE_UNAVAILABLE", async () => {
  const connection = connectGrpc("127.0.0.1:1", secret);
  await expect(connection.client(StorageService).getNode({}, newCall())).rejects.toMatchObject({
    reason: "SERVICE_UNAVAILABLE",
  });
  connection.close();
});
