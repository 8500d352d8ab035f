import type { MessageInitShape } from "@bufbuild/protobuf";
import { type ReadBlobResponseSchema, StorageService } from "../../../gen/cairn/storage/v1/storage_pb";
import { CairnError } from "../errors/cairn-error";
import { newId } from "../ids/uuid";
import { type Call, newCall } from "./call";
import { peerCheckOf } from "./cluster-secret";
import { connectGrpc } from "./grpc-client";
import { createGrpcServer, type GrpcServer } from "./grpc-server";
import { ResetBudget, type ResetLimit } from "./reset-budget";
import type { ServiceImpl } from "./service";

const secret = "4f1c9a7be03d58264f1c9a7be03d5826";
const request = { blobId: newId(), volumeId: newId() };
const leavers = 2_000;

let server: GrpcServer;
let port: number;
let answerNode: () => void;

/** Downloads that begin and go no further, and a call that waits until the test lets it go. */
beforeEach(async () => {
  server = createGrpcServer(peerCheckOf(secret));
  const waits = new Promise<void>((resolve) => {
    answerNode = resolve;
  });
  const methods = Object.fromEntries(
    StorageService.methods.map(({ localName }) => [
      localName,
      () => Promise.reject(new CairnError("NOT_IMPLEMENTED")),
    ]),
  );
  server.add(StorageService, {
    ...methods,
    async *readBlob(
      _request: unknown,
      { signal }: Call,
    ): AsyncGenerator<MessageInitShape<typeof ReadBlobResponseSchema>> {
      yield { part: { case: "chunk", value: new Uint8Array(16) } };
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    },
    getNode: async () => {
      await waits;
      return { nodeId: "patient" };
    },
  } as unknown as ServiceImpl<typeof StorageService>);
  port = await server.listen("127.0.0.1", 0);
});
afterEach(() => server.close(0));

/** One patient call beside many who leave in the middle of a download; what became of the patient one. */
async function patientBesideLeavers(limit?: ResetLimit): Promise<string> {
  const connection = connectGrpc(`127.0.0.1:${port}`, secret, limit);
  const client = connection.client(StorageService);
  const patient = client.getNode({}, newCall()).then(
    ({ nodeId }) => nodeId,
    (error: CairnError) => error.reason,
  );
  const leave = async () => {
    for await (const _ of client.readBlob(request, newCall())) break;
  };
  for (let left = 0; left < leavers; left += 50) {
    // Those who leave may themselves meet a session that was closed; what counts is the one who stays.
    await Promise.allSettled(Array.from({ length: 50 }, leave));
  }
  answerNode();
  const became = await patient;
  connection.close();
  return became;
}

test("two thousand callers that leave in the middle of a download cost a call beside them nothing", async () => {
  expect(await patientBesideLeavers()).toBe("patient");
});

test("control: without a budget of resets the server closes the session with the call beside them", async () => {
  const unlimited = { burst: Number.POSITIVE_INFINITY, perSecond: 0 };
  expect(await patientBesideLeavers(unlimited)).toBe("SERVICE_UNAVAILABLE");
});

test("a budget is spent by resets and regained by time, up to its burst", () => {
  const budget = new ResetBudget({ burst: 3, perSecond: 2 }, 0);
  for (const nowMs of [0, 0, 0]) budget.spend(nowMs);
  expect(budget.left(0)).toBe(0);
  expect(budget.left(500)).toBe(1);
  expect(budget.left(60_000)).toBe(3);
});
