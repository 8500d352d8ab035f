import type { MetadataService } from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { ObjectService } from "../../../gen/cairn/object/v1/object_pb";
import { toCairnError } from "../../../services/common/errors/cairn-error";
import { newCall } from "../../../services/common/rpc/call";
import type { ServiceClient } from "../../../services/common/rpc/service";
import type { Random } from "../../faults/support/random";
import { Bodies } from "../bodies";
import type { Cluster, GatewayName } from "../cluster";
import { absent, type Condition, closed, type Effect, type Histories } from "../model/history";
import { type Trace, told } from "../trace";
import { SimProcess } from "../world/sim-process";
import type { VirtualTime } from "../world/virtual-time";

export type BucketRef = { readonly bucketId: string; readonly configVersion: bigint };

/** What an operation did to registers, as far as its answer tells. */
export type Effects = [register: string, effect: Effect][];

/** `beta` comes and goes. */
const bucketNames = ["alpha", "beta"] as const;
export type BucketName = (typeof bucketNames)[number];
export const keysOf = { alpha: ["a", "b", "c/1", "c/2", "d"], beta: ["x", "y"] } as const;
const operationTimeoutMs = 40_000;

/** After these a change may have happened, wholly, or may still, or never will. */
const unknownReasons: readonly string[] = [
  "OUTCOME_UNKNOWN",
  "SERVICE_UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
  "SHUTTING_DOWN",
];
export const refusalReasons: readonly string[] = [
  "NOT_ENOUGH_NODES",
  "NO_SPACE",
  "METADATA_UNAVAILABLE",
  "DATABASE_UNAVAILABLE",
  "DATA_UNAVAILABLE",
  "BLOB_CONDEMNED",
  "NOT_ENOUGH_COPIES",
  "SOURCE_GONE",
  "NO_SUCH_UPLOAD",
  "CONFIG_CHANGED",
  "COMMAND_TOO_OLD",
];

/** A wrong answer, seen when it came. */
export class WrongAnswer extends Error {}

export type RunParts = {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly cluster: Cluster;
  readonly histories: Histories;
  readonly trace: Trace;
};

/** What the clients of a run have in common: ways to the gateways, what they learnt, and the book of all answers. */
export class Clients {
  readonly random: Random;
  readonly bodies: Bodies;
  readonly gateways: Record<GatewayName, ServiceClient<typeof ObjectService>>;
  readonly metadata: ServiceClient<typeof MetadataService>;
  readonly buckets = new Map<string, BucketRef>();
  /** Every bucket there ever was, by id. */
  readonly keysOfBucket = new Map<string, readonly string[]>();
  /** The ETag that was seen last, by register. */
  readonly lastSeen = new Map<string, string>();
  /** Answers that were no "unknown" and no refusal. */
  acknowledged = 0;
  readonly #parts: RunParts;
  readonly #process: SimProcess;

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.random = parts.random;
    this.bodies = new Bodies(parts.random);
    this.#process = new SimProcess("clients", parts.time, 0);
    const { cluster } = parts;
    this.gateways = {
      "gateway-1": cluster.objectClient(this.#process, "gateway-1"),
      "gateway-2": cluster.objectClient(this.#process, "gateway-2"),
    };
    this.metadata = cluster.metadataClient(this.#process);
  }

  get clock() {
    return this.#process.clock;
  }

  call() {
    return newCall({ timeoutMs: operationTimeoutMs });
  }

  learn(name: string, { id: bucketId, configVersion }: { id: string; configVersion: bigint }): void {
    this.buckets.set(name, { bucketId, configVersion });
    this.keysOfBucket.set(bucketId, keysOf[name as BucketName]);
  }

  /** What a refusal that concerns one key tells of it; undefined when nothing. */
  refused(register: string, reason: string, when: Condition | undefined): Effects | undefined {
    if (reason === "NO_SUCH_BUCKET") return [[register, { kind: "read", value: closed }]];
    if (reason === "NO_SUCH_KEY_IN_BUCKET") return [[register, { kind: "read", value: absent }]];
    if (reason === "PRECONDITION_FAILED" && when !== undefined)
      return [[register, { kind: "refused", when }]];
    return undefined;
  }

  /** Asks and writes the answer down. `known` explains a refusal; `perhaps` is what no answer leaves possible. */
  async ask(
    client: string,
    what: string,
    work: () => Promise<Effects>,
    known?: (reason: string) => Effects | undefined,
    perhaps?: () => Effects,
  ): Promise<void> {
    const { time, histories, trace } = this.#parts;
    const invokedAt = time.events;
    trace.tell(client, what);
    const add = (effects: Effects, returnedAt: number, answer: string) => {
      for (const [register, effect] of effects)
        histories.add(register, { effect, invokedAt, returnedAt, told: `${client}: ${what} -> ${answer}` });
    };
    try {
      const effects = await work();
      this.acknowledged += 1;
      trace.tell(client, `${what} -> ok ${effects.map(([, effect]) => brief(effect)).join(" ")}`);
      add(effects, time.events, "ok");
    } catch (thrown) {
      if (thrown instanceof WrongAnswer) throw thrown;
      const error = toCairnError(thrown);
      trace.tell(client, `${what} -> ${told(error)}`);
      const effects = known?.(error.reason);
      if (effects !== undefined) {
        this.acknowledged += 1;
        return add(effects, time.events, error.reason);
      }
      const { reason } = error;
      if (refusalReasons.includes(reason)) return;
      if (!unknownReasons.includes(reason))
        throw new WrongAnswer(`${what}: ${told(error)}`, { cause: error });
      if (perhaps !== undefined) add(perhaps(), Number.POSITIVE_INFINITY, `unknown (${reason})`);
    }
  }
}

function brief(effect: Effect): string {
  if (effect.kind === "refused") return "refused";
  return `${effect.kind === "read" ? "saw" : "made"} ${effect.value.slice(0, 8)}`;
}
