import { done } from "../commit/batch";
import type { Handler } from "../commit/handler";
import { startWalks as start, volumesInUse } from "../commit/walks";

/** Begins walks over volumes; those that are removed are left out. */
export const startWalks: Handler<"startWalks"> = {
  decide: async (batch, change) => {
    const inUse = await volumesInUse(batch);
    const wanted =
      change.volumeIds.length === 0 ? inUse : change.volumeIds.filter((volumeId) => inUse.includes(volumeId));
    await start(batch, change.kind, wanted, Number(change.delayMs), change);
    return done;
  },
};
