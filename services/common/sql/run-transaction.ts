import type { Kysely } from "kysely";
import { CairnError } from "../errors/cairn-error";

/**
 * Runs `work` between BEGIN and COMMIT. A connection lost before COMMIT was sent means that nothing happened; one
 * lost afterwards means that nobody knows, and the caller must ask again by an id of its own (P3).
 */
export async function runTransaction<Tables, T>(
  db: Kysely<Tables>,
  work: (trx: Kysely<Tables>) => Promise<T>,
  toError: (thrown: unknown) => unknown,
): Promise<T> {
  const trx = await db
    .startTransaction()
    .execute()
    .catch((error) => {
      throw toError(error);
    });
  let result: T;
  try {
    result = await work(trx);
  } catch (error) {
    // A lost connection has rolled back by itself.
    await trx
      .rollback()
      .execute()
      .catch(() => {});
    throw toError(error);
  }
  try {
    await trx.commit().execute();
  } catch (error) {
    const known = toError(error);
    if (known instanceof CairnError && known.reason === "DATABASE_UNAVAILABLE") {
      throw new CairnError("OUTCOME_UNKNOWN", {
        message: "The connection was lost during COMMIT.",
        cause: error,
      });
    }
    await trx
      .rollback()
      .execute()
      .catch(() => {});
    throw known;
  }
  return result;
}
