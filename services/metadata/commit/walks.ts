import type { WalkKind } from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { Batch } from "./batch";

/** Begins a walk of each volume from its first blob, whatever it was doing. */
export async function startWalks(
  batch: Batch,
  kind: WalkKind,
  volumeIds: readonly string[],
  delayMs: number,
  { missingOnly = false, hasty = false } = {},
): Promise<void> {
  for (const volumeId of [...new Set(volumeIds)].sort()) {
    const fresh = {
      after_blob_id: "",
      started_at_ms: batch.nowMs,
      updated_at_ms: batch.nowMs,
      due_at_ms: batch.nowMs + delayMs,
      // Who holds the former round must not save into this one.
      holder_id: "",
      held_until_ms: 0,
      running: 1,
      hasty: hasty ? 1 : 0,
      checked: 0,
      changed: 0,
      waiting: 0,
      bytes: 0,
      total: 0,
    };
    const insert = batch.db
      .insertInto("walks")
      .values({ kind, volume_id: volumeId, finished_at_ms: null, ...fresh });
    await insert
      .onConflict((oc) => {
        const columns = oc.columns(["kind", "volume_id"]);
        return missingOnly ? columns.doNothing() : columns.doUpdateSet(fresh);
      })
      .execute();
  }
}

/** Volumes that are registered and not removed. */
export async function volumesInUse(batch: Batch): Promise<string[]> {
  return [...(await batch.volumeNodes()).keys()];
}
