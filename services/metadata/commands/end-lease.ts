import { done } from "../commit/batch";
import type { Handler } from "../commit/handler";

/** The read is over. An unknown lease has ended by itself. */
export const endLease: Handler<"endLease"> = {
  decide: async (batch, change) => {
    await batch.db.deleteFrom("leases").where("lease_id", "=", change.leaseId).execute();
    return done;
  },
};
