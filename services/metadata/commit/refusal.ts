import type { ErrorDetails } from "../../common/errors/cairn-error";
import { errorTable, type Reason } from "../../common/errors/table";
import type { Decision } from "./batch";

/** A decision against a command. It has no effect (I6), and is not kept: deciding again is as good (P3). */
export function refuse(reason: Reason, details: Omit<ErrorDetails, "cause" | "hint"> = {}): Decision {
  return {
    keep: false,
    result: {
      case: "refusal",
      value: {
        reason,
        message: details.message ?? errorTable[reason].sentence,
        resource: details.resource ?? "",
        params: { ...details.params },
      },
    },
  };
}

/** The reason of a refusal, else undefined. */
export function refusalReason(decision: Decision): Reason | undefined {
  const { result } = decision;
  return result.case === "refusal" ? (result.value.reason as Reason) : undefined;
}

/** Refusals after which the caller decides again with the same blobs; after any other the blobs are garbage (P6). */
const decidedAgain: ReadonlySet<Reason> = new Set([
  "CONFIG_CHANGED",
  "SOURCE_GONE",
  "NOT_ENOUGH_COPIES",
  "BLOB_EXISTS",
]);

export function isFinal(reason: Reason): boolean {
  return !decidedAgain.has(reason);
}
