import type { MessageInitShape } from "@bufbuild/protobuf";
import { CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { VerifyVolumeRequest, VerifyVolumeResponseSchema } from "../../../gen/cairn/object/v1/object_pb";
import { CairnError } from "../../common/errors/cairn-error";
import type { Call } from "../../common/rpc/call";
import type { RepairReports } from "../repair-reports";
import { missingOf, orphansOf, readRange } from "../workers/compare-range";
import type { DeleteDependencies } from "../workers/deletes";
import { collectOrphans } from "../workers/orphans";
import { isSound } from "../workers/scrub";

export type VerifyDependencies = Omit<DeleteDependencies, "limits"> & {
  readonly reports: RepairReports;
  readonly copies: number;
  readonly orphanGraceMs: number;
};

type Finding = { readonly blobId: string; readonly what: string; readonly done: string };

/** So much is read by one call at most: the caller goes on from where it ended. */
const deepBytes = 256 * 1024 * 1024;

/** Compares a stretch of a volume with the metadata, both ways; mends with `fix`. */
export async function verifyVolume(
  deps: VerifyDependencies,
  request: VerifyVolumeRequest,
  call: Call,
): Promise<MessageInitShape<typeof VerifyVolumeResponseSchema>> {
  const { volumeId, deep, fix } = request;
  const volume = deps.cluster.volume(volumeId);
  if (volume === undefined || deps.cluster.registered(volumeId)?.removed)
    throw new CairnError("NO_SUCH_VOLUME", {
      message: `No volume ${volumeId} is known.`,
      resource: volumeId,
    });
  if (!volume.node.alive)
    throw new CairnError("SERVICE_UNAVAILABLE", {
      message: `The node of volume ${volumeId} does not answer.`,
    });
  const range = await readRange(deps, volume, request.afterBlobId, request.limit, call);
  const named = [...range.rows.values()]
    .filter((row) => row.state === CopyState.GOOD)
    .map((row) => row.blobId);
  const { blobs } = await describe(deps, named, call);
  const byId = new Map(blobs.map((blob) => [blob.blobId, blob]));
  const findings: Finding[] = [];
  const queue = (blobId: string, what: string, queuedVolumeId: string) => {
    if (fix) deps.reports.report({ blobId, volumeId: queuedVolumeId });
    findings.push({ blobId, what, done: fix ? "queued" : "nothing" });
  };
  const missing = new Set(await missingOf(volume, range, call));
  for (const blobId of missing) queue(blobId, "missing", volumeId);
  for (const blob of blobs) {
    if (missing.has(blob.blobId)) continue;
    const good = blob.copies.filter((copy) => copy.state === CopyState.GOOD);
    const nodes = new Set(good.map((copy) => deps.cluster.registered(copy.volumeId)?.nodeId));
    if (nodes.size < deps.copies) queue(blob.blobId, "few-copies", "");
  }
  let bytes = 0;
  let checked = 0;
  let through = range.through;
  if (deep) {
    for (const { blobId, sizeBytes } of range.blobs) {
      const fact = byId.get(blobId);
      checked++;
      if (fact !== undefined) {
        if (!(await isSound(volume, blobId, fact, call))) queue(blobId, "damaged", volumeId);
        bytes += Number(sizeBytes);
      }
      if (bytes >= deepBytes && checked < range.blobs.length) {
        through = blobId;
        break;
      }
    }
  } else checked = range.blobs.length;
  const unnamed = orphansOf(range, deps.orphanGraceMs);
  const gone = new Set(fix ? await collectOrphans(deps, volume, unnamed, range.total, call) : []);
  for (const blobId of unnamed)
    findings.push({ blobId, what: "unnamed", done: gone.has(blobId) ? "condemned" : "nothing" });
  if (fix) await deps.reports.settled();
  return {
    checked: BigInt(checked),
    bytes: BigInt(bytes),
    findings: findings.filter(({ blobId }) => through === "" || blobId <= through),
    more: through !== "",
    nextAfterBlobId: through,
  };
}

async function describe(deps: VerifyDependencies, blobIds: readonly string[], call: Call) {
  const blobs = [];
  for (let at = 0; at < blobIds.length; at += 1_000)
    blobs.push(
      ...(await deps.metadata.describeBlobs({ blobIds: blobIds.slice(at, at + 1_000) }, call)).blobs,
    );
  return { blobs };
}
