import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CommandSchema, MetadataService, Outcome } from "../../gen/cairn/metadata/v1/metadata_pb";
import { CairnError, hasReason } from "../common/errors/cairn-error";
import { isReason } from "../common/errors/table";
import { newId } from "../common/ids/uuid";
import { type Call, throwIfEnded } from "../common/rpc/call";
import type { ServiceClient } from "../common/rpc/service";
import type { Clock } from "../common/time/clock";

/** How often one command is asked, and how long to wait before each further time. */
const pausesMs = [50, 200, 800];

/**
 * Gives one command to the metadata service and answers its outcome. After a lost answer the same command is asked
 * again (P3), at most four times in all. Throws what a refusal says; OUTCOME_UNKNOWN when nobody could tell.
 */
export async function executeCommand(
  metadata: ServiceClient<typeof MetadataService>,
  change: NonNullable<MessageInitShape<typeof CommandSchema>["change"]>,
  call: Call,
  clock: Clock,
): Promise<Outcome["result"]> {
  const command = { id: newId(), change };
  let unknown: CairnError | undefined;
  for (let attempt = 0; ; attempt++) {
    try {
      const { outcomes } = await metadata.execute({ commands: [command] }, call);
      return applied(outcomes[0]);
    } catch (error) {
      if (mayHaveBeenApplied(error)) unknown = error;
      // An answer that says "not now" tells nothing about the first time that was asked.
      else if (unknown === undefined || !isAway(error)) throw error;
      const pauseMs = pausesMs[attempt];
      if (pauseMs === undefined) throw stillUnknown(unknown);
      await clock.sleep(pauseMs, call.signal);
      throwIfEnded(call);
    }
  }
}

function applied(outcome: Outcome | undefined): Outcome["result"] {
  if (outcome === undefined) throw new Error("the metadata service answered no outcome");
  if (outcome.result.case !== "refusal") return outcome.result;
  const { reason, message, resource, params } = outcome.result.value;
  if (!isReason(reason)) throw new Error(`the metadata service refused with the unknown reason ${reason}`);
  throw new CairnError(reason, { ...(message === "" ? {} : { message }), resource, params });
}

function mayHaveBeenApplied(error: unknown): error is CairnError {
  return hasReason(error, "OUTCOME_UNKNOWN", "SERVICE_UNAVAILABLE");
}

function isAway(error: unknown): boolean {
  return hasReason(error, "METADATA_UNAVAILABLE", "DATABASE_UNAVAILABLE", "SHUTTING_DOWN");
}

function stillUnknown(cause: CairnError): CairnError {
  return hasReason(cause, "OUTCOME_UNKNOWN") ? cause : new CairnError("OUTCOME_UNKNOWN", { cause });
}
