import type { Handler } from "../commit/handler";
import { walkMessage } from "../reads/walks";

/** Hands out the walk that is due longest. The update looks again: of two processes that chose one, one gets it. */
export const takeWalk: Handler<"takeWalk"> = {
  decide: async (batch, change) => {
    const candidate = await batch.db
      .selectFrom("walks")
      .select(["kind", "volume_id"])
      .where("kind", "in", change.kinds)
      .where("due_at_ms", "<=", batch.nowMs)
      .where("held_until_ms", "<=", batch.nowMs)
      .orderBy("due_at_ms")
      .limit(1)
      .executeTakeFirst();
    if (candidate === undefined) return { keep: false, result: { case: "walk", value: {} } };
    const { kind, volume_id } = candidate;
    const rows = await batch.db
      .updateTable("walks")
      .set({ holder_id: change.holderId, held_until_ms: batch.nowMs + Number(change.holdMs) })
      .where("kind", "=", kind)
      .where("volume_id", "=", volume_id)
      .where("held_until_ms", "<=", batch.nowMs)
      .returningAll()
      .execute();
    let [row] = rows;
    if (row === undefined) return { keep: false, result: { case: "walk", value: {} } };
    if (row.running === 0) {
      // The next round begins with the first step that is taken.
      const fresh = { after_blob_id: "", started_at_ms: batch.nowMs, running: 1 };
      const counts = { checked: 0, changed: 0, waiting: 0, bytes: 0, total: 0 };
      row = { ...row, ...fresh, ...counts };
      await batch.db
        .updateTable("walks")
        .set({ ...fresh, ...counts })
        .where("kind", "=", kind)
        .where("volume_id", "=", volume_id)
        .execute();
    }
    return { result: { case: "walk", value: { walk: walkMessage(row) } } };
  },
};
