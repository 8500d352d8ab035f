import { done } from "../commit/batch";
import type { Handler } from "../commit/handler";
import { refuse } from "../commit/refusal";

/** Writes down how far a walk is, so that any process can go on from there after any restart. */
export const saveWalk: Handler<"saveWalk"> = {
  decide: async (batch, change) => {
    const dueAtMs = change.done && change.dueInMs === 0n ? null : batch.nowMs + Number(change.dueInMs);
    const saved = await batch.db
      .updateTable("walks")
      .set((eb) => ({
        after_blob_id: change.afterBlobId,
        updated_at_ms: batch.nowMs,
        due_at_ms: dueAtMs,
        held_until_ms: change.holdMs === 0n ? 0 : batch.nowMs + Number(change.holdMs),
        running: change.done ? 0 : 1,
        checked: eb("checked", "+", Number(change.checked)),
        changed: eb("changed", "+", Number(change.changed)),
        waiting: eb("waiting", "+", Number(change.waiting)),
        bytes: eb("bytes", "+", Number(change.bytes)),
        total: Number(change.total),
        ...(change.done ? { finished_at_ms: batch.nowMs, hasty: 0 } : {}),
      }))
      .where("kind", "=", change.kind)
      .where("volume_id", "=", change.volumeId)
      .where("holder_id", "=", change.holderId)
      .returning("volume_id")
      .execute();
    return saved.length === 0 ? refuse("WALK_TAKEN", { resource: change.volumeId }) : done;
  },
};
