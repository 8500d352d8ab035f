import { hasReason, toCairnError } from "../../common/errors/cairn-error";
import type { Logger } from "../../common/log/logger";
import type { Call } from "../../common/rpc/call";
import type { ClusterView, Target } from "../cluster-view";
import type { RepairReports } from "../repair-reports";
import { type BlobFacts, copyBlob, SourceFailed } from "./copy-blob";

export type CopyDependencies = {
  readonly cluster: ClusterView;
  readonly reports: RepairReports;
  readonly log: Logger;
};

/**
 * Copies from the first good copy that can give the blob. False when this target takes none, or no source is left.
 */
export async function copyFromAny(
  deps: CopyDependencies,
  blob: BlobFacts,
  sources: readonly string[],
  target: Target,
  call: Call,
): Promise<boolean> {
  for (const volumeId of sources) {
    const source = deps.cluster.volume(volumeId);
    if (source === undefined || !source.node.alive) continue;
    try {
      await copyBlob(blob, { client: source.node.client, volumeId }, target, call);
      return true;
    } catch (error) {
      if (!(error instanceof SourceFailed)) {
        deps.log.debug(
          { err: error, blobId: blob.blobId, volumeId: target.volumeId },
          "a volume took no copy",
        );
        return false;
      }
      const cause = toCairnError(error.cause);
      if (hasReason(cause, "DAMAGED_BLOB", "NO_SUCH_BLOB"))
        deps.reports.report({ blobId: blob.blobId, volumeId });
    }
  }
  return false;
}
