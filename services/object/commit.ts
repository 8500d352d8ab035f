import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  CommandSchema,
  GetBucketResponse,
  MetadataService,
  Outcome,
  Refusal,
} from "../../gen/cairn/metadata/v1/metadata_pb";
import { CairnError, hasReason, toCairnError } from "../common/errors/cairn-error";
import { isReason } from "../common/errors/table";
import { newId } from "../common/ids/uuid";
import { type Call, withTimeout } from "../common/rpc/call";
import type { ServiceClient } from "../common/rpc/service";
import type { Clock } from "../common/time/clock";
import type { CommitLimits } from "./config";
import type { ObjectMetrics } from "./metrics";

export type MetadataClient = ServiceClient<typeof MetadataService>;
type CommandInit = MessageInitShape<typeof CommandSchema>;
export type Change = NonNullable<CommandInit["change"]>;
type Command = { readonly id: string; readonly change: Change };

/** Sends commands until their outcome is known (P3). */
export class Commits {
  readonly #metadata: MetadataClient;
  readonly #clock: Clock;
  readonly #limits: CommitLimits;
  readonly #metrics: ObjectMetrics;

  constructor(deps: {
    metadata: MetadataClient;
    clock: Clock;
    limits: CommitLimits;
    metrics: ObjectMetrics;
  }) {
    this.#metadata = deps.metadata;
    this.#clock = deps.clock;
    this.#limits = deps.limits;
    this.#metrics = deps.metrics;
  }

  /** One change; a refusal is thrown as the CairnError that it names. Else as `outcomes`. */
  async apply(change: Change, call: Call): Promise<Outcome> {
    const [outcome] = await this.outcomes([change], call);
    if (outcome === undefined) throw new CairnError("INTERNAL", { message: "An outcome is missing." });
    if (outcome.result.case === "refusal") throw refusalError(outcome.result.value);
    return outcome;
  }

  /**
   * Decides these changes, in this order, and tells each one's outcome. A lost answer is asked for again under the
   * same ids. Throws OUTCOME_UNKNOWN when none came in time: then what the commands name must be left alone.
   */
  async outcomes(changes: readonly Change[], call: Call): Promise<Outcome[]> {
    const commands = changes.map((change): Command => ({ id: newId(), change }));
    const startedMs = this.#clock.monotonicMs();
    let pauseMs = this.#limits.retryPauseMs;
    let unknown = false;
    while (true) {
      try {
        const { outcomes } = await this.#metadata.execute(
          { commands },
          withTimeout(call, this.#limits.unknownWaitMs),
        );
        this.#metrics.commitSeconds.observe((this.#clock.monotonicMs() - startedMs) / 1000);
        return outcomes;
      } catch (thrown) {
        const error = toCairnError(thrown);
        if (!isTransient(error)) throw error;
        unknown ||= !hasReason(error, "METADATA_UNAVAILABLE");
        const waitMs = unknown ? this.#limits.unknownWaitMs : this.#limits.unavailableWaitMs;
        if (this.#clock.monotonicMs() - startedMs + pauseMs > waitMs || hasEnded(call)) {
          throw unknown ? new CairnError("OUTCOME_UNKNOWN", { cause: error }) : error;
        }
        this.#metrics.commitRetries.inc();
        await this.#clock.sleep(pauseMs, call.signal);
        pauseMs = Math.min(pauseMs * 2, this.#limits.retryPauseMs * 16);
      }
    }
  }

  /**
   * Decides on the configuration that the caller knows, and again on a fresh one when it has changed (P2).
   * `make` must not depend on anything else that changes. Throws NO_SUCH_BUCKET when the bucket is gone.
   */
  async decide(bucket: KnownBucket, make: (configVersion: bigint) => Change, call: Call): Promise<Outcome> {
    let configVersion = bucket.configVersion;
    for (let decisions = 1; ; decisions++) {
      try {
        return await this.apply(make(configVersion), call);
      } catch (error) {
        if (!hasReason(error, "CONFIG_CHANGED") || decisions >= this.#limits.maxDecisions) throw error;
        configVersion = await this.freshConfigVersion(bucket.bucketId, call);
      }
    }
  }

  async freshConfigVersion(bucketId: string, call: Call): Promise<bigint> {
    const response: GetBucketResponse = await this.#metadata.getBucket(
      { by: { case: "bucketId", value: bucketId } },
      call,
    );
    if (response.bucket === undefined) throw new CairnError("NO_SUCH_BUCKET");
    return response.bucket.configVersion;
  }
}

export type KnownBucket = { readonly bucketId: string; readonly configVersion: bigint };

export function refusalError(refusal: Refusal): CairnError {
  return new CairnError(isReason(refusal.reason) ? refusal.reason : "INTERNAL", {
    ...(refusal.message === "" ? {} : { message: refusal.message }),
    resource: refusal.resource,
    params: refusal.params,
  });
}

function hasEnded(call: Call): boolean {
  return call.signal.aborted || (call.deadlineAtMs !== undefined && performance.now() >= call.deadlineAtMs);
}

/** After these it is not known whether the commands were applied, or it is known that they were not. */
function isTransient(error: CairnError): boolean {
  return hasReason(
    error,
    "METADATA_UNAVAILABLE",
    "DATABASE_UNAVAILABLE",
    "SERVICE_UNAVAILABLE",
    "SHUTTING_DOWN",
    "OUTCOME_UNKNOWN",
    "DEADLINE_EXCEEDED",
  );
}
