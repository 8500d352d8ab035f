import { WalkKind } from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { DrainRequest, RemoveRequest, ScrubRequest } from "../../../gen/cairn/object/v1/object_pb";
import { CairnError } from "../../common/errors/cairn-error";
import type { Call } from "../../common/rpc/call";
import type { ClusterView } from "../cluster-view";
import type { Commits } from "../commit";
import type { Heartbeat } from "../heartbeat";
import { volumesOf } from "./volumes-of";

export type OperatorDependencies = {
  readonly cluster: ClusterView;
  readonly heartbeat: Heartbeat;
  readonly commits: Commits;
  /** A walk was begun. */
  readonly onWalk: () => void;
};

/** Empties volumes, or takes that back. The mark and the walk are one change: a restart loses neither. */
export async function drain(deps: OperatorDependencies, request: DrainRequest, call: Call) {
  const volumeIds = (await volumesOf(deps, request.id, call)).map((volume) => volume.volumeId);
  await deps.commits.apply({ case: "drainVolumes", value: { volumeIds, cancel: request.cancel } }, call);
  await deps.heartbeat.refresh(call);
  deps.onWalk();
  return { volumeIds };
}

/** Forgets volumes for good. All are asked about before the first one goes. */
export async function remove(deps: OperatorDependencies, request: RemoveRequest, call: Call) {
  const volumes = await volumesOf(deps, request.id, call);
  const alive = volumes.find((volume) => deps.cluster.volume(volume.volumeId)?.node.alive);
  if (request.lost && alive !== undefined)
    throw new CairnError("VOLUME_ALIVE", {
      message: `Volume ${alive.volumeId} answers: drain it instead of calling it lost.`,
      resource: alive.volumeId,
    });
  const volumeIds = volumes.map((volume) => volume.volumeId);
  for (const volumeId of volumeIds)
    await deps.commits.apply({ case: "removeVolume", value: { volumeId, lost: request.lost } }, call);
  await deps.heartbeat.refresh(call);
  return { volumeIds };
}

/** Begins a rebalance over all volumes. */
export async function rebalance(deps: OperatorDependencies, call: Call) {
  await deps.commits.apply({ case: "startWalks", value: { kind: WalkKind.REBALANCE } }, call);
  deps.onWalk();
  return {};
}

/** Begins to read everything of these volumes now, not spread over the interval. */
export async function scrub(deps: OperatorDependencies, { id }: ScrubRequest, call: Call) {
  const volumes =
    id === "" ? deps.cluster.registry().filter((v) => !v.removed) : await volumesOf(deps, id, call);
  const volumeIds = volumes.map((volume) => volume.volumeId);
  await deps.commits.apply(
    { case: "startWalks", value: { kind: WalkKind.SCRUB, volumeIds, hasty: true } },
    call,
  );
  deps.onWalk();
  return { volumeIds };
}
