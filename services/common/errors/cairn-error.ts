import { type ErrorEntry, errorTable, type Reason } from "./table";

export type ErrorDetails = {
  /** What was wrong, with which value. Default: the table's sentence. */
  readonly message?: string;
  /** What it was about: a bucket, "bucket/key", a key id. */
  readonly resource?: string;
  /** What to do about it. */
  readonly hint?: string;
  /** Facts that an edge needs to build its answer. Never secrets (I9). */
  readonly params?: Readonly<Record<string, string>>;
  /** What led to it; logged, never sent. */
  readonly cause?: unknown;
};

/** The only error that services throw on purpose. It knows a reason; only the edges know codes and statuses. */
export class CairnError extends Error {
  readonly reason: Reason;
  readonly resource: string;
  readonly hint: string;
  readonly params: Readonly<Record<string, string>>;

  constructor(reason: Reason, details: ErrorDetails = {}) {
    super(
      details.message ?? errorTable[reason].sentence,
      details.cause === undefined ? {} : { cause: details.cause },
    );
    this.name = "CairnError";
    this.reason = reason;
    this.resource = details.resource ?? "";
    this.hint = details.hint ?? "";
    this.params = details.params ?? {};
  }

  get entry(): ErrorEntry {
    return errorTable[this.reason];
  }
}

/** Whatever was thrown, as a CairnError. What is not one is INTERNAL, its text kept for the log alone. */
export function toCairnError(thrown: unknown): CairnError {
  if (thrown instanceof CairnError) return thrown;
  if (thrown instanceof Error && thrown.name === "AbortError")
    return new CairnError("CANCELLED", { cause: thrown });
  return new CairnError("INTERNAL", { cause: thrown });
}

/** True when it is a CairnError of one of these reasons. */
export function hasReason(thrown: unknown, ...reasons: Reason[]): thrown is CairnError {
  return thrown instanceof CairnError && reasons.includes(thrown.reason);
}
