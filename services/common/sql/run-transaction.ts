import { CairnError } from "../errors/cairn-error";

/** How an engine begins and ends a transaction. */
export type TransactionSteps<Trx> = {
  begin(): Promise<Trx>;
  commit(trx: Trx): Promise<unknown>;
  rollback(trx: Trx): Promise<unknown>;
  toError(thrown: unknown): unknown;
};

/**
 * Runs `work` between BEGIN and COMMIT. A connection lost before COMMIT was sent means that nothing happened; one
 * lost afterwards means that nobody knows, and the caller must ask again by an id of its own (P3).
 */
export async function runTransaction<Trx, T>(
  steps: TransactionSteps<Trx>,
  work: (trx: Trx) => Promise<T>,
): Promise<T> {
  const { toError } = steps;
  const trx = await steps.begin().catch((error) => {
    throw toError(error);
  });
  let result: T;
  try {
    result = await work(trx);
  } catch (error) {
    // A lost connection has rolled back by itself.
    await steps.rollback(trx).catch(() => {});
    throw toError(error);
  }
  try {
    await steps.commit(trx);
  } catch (error) {
    const known = toError(error);
    // On PostgreSQL the connection is lost with it; on SQLite the transaction is still open.
    await steps.rollback(trx).catch(() => {});
    if (known instanceof CairnError && known.reason === "DATABASE_UNAVAILABLE") {
      throw new CairnError("OUTCOME_UNKNOWN", {
        message: "The connection was lost during COMMIT.",
        cause: error,
      });
    }
    throw known;
  }
  return result;
}
