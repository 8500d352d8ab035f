import { setTimeout } from "node:timers/promises";
import { CairnError } from "../../common/errors/cairn-error";
import type { Reason } from "../../common/errors/table";
import type { EndSignal } from "../../common/lifecycle/end-signal";
import { type Call, endReason } from "../../common/rpc/call";
import type { StorageClient } from "../cluster-view";
import type { MetadataClient } from "../commit";

/** What is wrong with a storage node now; a test changes it at any time. */
export class NodeFaults {
  /** Nothing gets through. */
  down = false;
  /** Every write is refused with this. */
  refuseWrites: Reason | undefined;
  /** Writes hang after so many bytes, until the call ends. */
  stallWritesAfterBytes = Number.POSITIVE_INFINITY;
  /** Writes break off after so many bytes. */
  breakWritesAfterBytes = Number.POSITIVE_INFINITY;
  /** Reads hang after so many bytes. */
  stallReadsAfterBytes = Number.POSITIVE_INFINITY;
  /** Every read takes so much longer. */
  readDelayMs = 0;
  /** Reads break off after so many bytes. */
  breakReadsAfterBytes = Number.POSITIVE_INFINITY;
  /** So many heartbeats get no answer in time. */
  lateHeartbeats = 0;
  /** Streams that are open now. */
  openStreams = 0;
  reads = 0;
}

/** The real client of a real node, behind faults. */
export function faultyStorage(client: StorageClient, faults: NodeFaults): StorageClient {
  const unary = <In, Out>(method: (request: In, call: Call) => Promise<Out>) => {
    return async (request: In, call: Call): Promise<Out> => {
      refuseWhenDown(faults);
      return method(request, call);
    };
  };
  return {
    writeBlob: async (requests, call) => {
      refuseWhenDown(faults);
      if (faults.refuseWrites !== undefined) throw new CairnError(faults.refuseWrites);
      const limits = () => [faults.stallWritesAfterBytes, faults.breakWritesAfterBytes] as const;
      return whileOpen(faults, () => client.writeBlob(passing(requests, faults, limits, call), call));
    },
    readBlob: async function* (request, call) {
      refuseWhenDown(faults);
      faults.reads++;
      faults.openStreams++;
      const limits = () => [faults.stallReadsAfterBytes, faults.breakReadsAfterBytes] as const;
      try {
        yield* passing(client.readBlob(request, call), faults, limits, call);
      } finally {
        faults.openStreams--;
      }
    },
    writeSmallBlob: async (request, call) => {
      refuseWhenDown(faults);
      if (faults.refuseWrites !== undefined) throw new CairnError(faults.refuseWrites);
      return whileOpen(faults, async () => {
        await pass(
          request.content?.length ?? 0,
          faults.stallWritesAfterBytes,
          faults.breakWritesAfterBytes,
          call,
        );
        return client.writeSmallBlob(request, call);
      });
    },
    readSmallBlob: async (request, call) => {
      refuseWhenDown(faults);
      faults.reads++;
      return whileOpen(faults, async () => {
        if (faults.readDelayMs > 0) await setTimeout(faults.readDelayMs);
        const answer = await client.readSmallBlob(request, call);
        await pass(answer.content.length, faults.stallReadsAfterBytes, faults.breakReadsAfterBytes, call);
        return answer;
      });
    },
    deleteBlobs: unary(client.deleteBlobs),
    listBlobs: unary(client.listBlobs),
    verifyBlob: unary(client.verifyBlob),
    scrubRange: async function* (request, call) {
      refuseWhenDown(faults);
      yield* client.scrubRange(request, call);
    },
    getNode: async (request, call) => {
      refuseWhenDown(faults);
      if (faults.lateHeartbeats-- > 0) throw new CairnError("DEADLINE_EXCEEDED");
      return client.getNode(request, call);
    },
    followHistory: unary(client.followHistory),
  };
}

type Message = { readonly part?: { readonly case?: string | undefined; readonly value?: unknown } };

async function whileOpen<T>(faults: NodeFaults, work: () => Promise<T>): Promise<T> {
  faults.openStreams++;
  try {
    return await work();
  } finally {
    faults.openStreams--;
  }
}

async function* passing<M extends Message>(
  messages: AsyncIterable<M>,
  faults: NodeFaults,
  limits: () => readonly [stallAfterBytes: number, breakAfterBytes: number],
  call: Call,
): AsyncGenerator<M> {
  let bytes = 0;
  for await (const message of messages) {
    refuseWhenDown(faults);
    if (message.part?.case === "chunk") bytes += (message.part.value as Uint8Array).length;
    await pass(bytes, ...limits(), call);
    yield message;
  }
}

async function pass(
  bytes: number,
  stallAfterBytes: number,
  breakAfterBytes: number,
  call: Call,
): Promise<void> {
  if (bytes > breakAfterBytes)
    throw new CairnError("SERVICE_UNAVAILABLE", { message: "broken off by the test" });
  if (bytes > stallAfterBytes) await untilEnd(call.signal);
}

function untilEnd(signal: EndSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(endReason(signal));
    signal.addEventListener("abort", () => reject(endReason(signal)), { once: true });
  });
}

function refuseWhenDown(faults: NodeFaults): void {
  if (faults.down) throw new CairnError("SERVICE_UNAVAILABLE", { message: "down by the test" });
}

export class MetadataFaults {
  /** So many answers of Execute are lost after the commands were applied. */
  loseAnswers = 0;
  /** Execute fails before anything is applied. */
  unavailable = false;
  /** Which commands lose their answers. */
  loses: (kind: string | undefined) => boolean = () => true;
  versionLookups = 0;
  /** Executes that were refused as `unavailable`. */
  refused = 0;
  /** Kinds of the commands that were sent, in order. */
  readonly sent: string[] = [];
}

export function faultyMetadata(client: MetadataClient, faults: MetadataFaults): MetadataClient {
  return {
    ...client,
    getVersion: (request, call) => {
      faults.versionLookups++;
      return client.getVersion(request, call);
    },
    execute: async (request, call) => {
      if (faults.unavailable) {
        faults.refused += 1;
        throw new CairnError("METADATA_UNAVAILABLE");
      }
      const kinds = (request.commands ?? []).map((command) => command.change?.case ?? "");
      faults.sent.push(...kinds);
      const answer = await client.execute(request, call);
      if (faults.loseAnswers > 0 && kinds.some(faults.loses)) {
        faults.loseAnswers--;
        throw new CairnError("SERVICE_UNAVAILABLE", { message: "the answer was lost by the test" });
      }
      return answer;
    },
  };
}
