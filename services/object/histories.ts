import type { HistoryPosition } from "../../gen/cairn/storage/v1/storage_pb";
import { hasReason } from "../common/errors/cairn-error";
import type { Call } from "../common/rpc/call";
import type { VolumeView } from "./cluster-view";
import type { MetadataClient } from "./commit";

/** What a DeleteBlobs call must carry (P7). */
export type ConfirmedHistory = { readonly confirmed: HistoryPosition; readonly current: HistoryPosition };

/**
 * Compares what a volume remembers with the metadata's history and brings it up to date, so that a database from the
 * past is noticed by any volume that saw more than it knows. Answers why deletes must stand still, or "".
 */
export async function followHistory(
  metadata: MetadataClient,
  volume: VolumeView,
  call: Call,
): Promise<string> {
  const remembered = volume.history;
  const check = await metadata.checkHistory(remembered === undefined ? {} : { remembered }, call);
  if (remembered !== undefined && !check.confirmed) return check.detail || "the metadata has another history";
  if (check.current === undefined) return "the metadata tells no history";
  if (remembered !== undefined && samePosition(remembered, check.current)) return "";
  try {
    await volume.node.client.followHistory({ volumeId: volume.volumeId, position: check.current }, call);
    return "";
  } catch (error) {
    if (hasReason(error, "HISTORY_MISMATCH")) return error.message;
    throw error;
  }
}

/**
 * What is needed to delete on a volume, asked just before: undefined when the metadata does not confirm what the
 * volume remembers, and then nothing may be deleted.
 */
export async function confirmHistory(
  metadata: MetadataClient,
  volume: VolumeView,
  call: Call,
): Promise<ConfirmedHistory | undefined> {
  const { volumes } = await volume.node.client.getNode({}, call);
  const confirmed = volumes.find((status) => status.volumeId === volume.volumeId)?.history;
  if (confirmed === undefined) return undefined;
  const check = await metadata.checkHistory({ remembered: confirmed }, call);
  return check.confirmed && check.current !== undefined ? { confirmed, current: check.current } : undefined;
}

function samePosition(a: HistoryPosition, b: HistoryPosition): boolean {
  return (
    a.clusterId === b.clusterId &&
    a.historyId === b.historyId &&
    a.changeNumber === b.changeNumber &&
    a.markNumber === b.markNumber
  );
}
