import type { RepairTask } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { hasReason } from "../../common/errors/cairn-error";
import type { Logger } from "../../common/log/logger";
import { type Call, newCall } from "../../common/rpc/call";
import type { ClusterView, Target } from "../cluster-view";
import type { Commits } from "../commit";
import type { WorkerLimits } from "../config";
import type { ObjectMetrics } from "../metrics";
import type { RepairReports } from "../repair-reports";
import { copyFromAny } from "./copy-from-any";
import type { Pace } from "./pace";
import { planRepair, type RepairPlan } from "./repair-plan";

export type RepairDependencies = {
  readonly cluster: ClusterView;
  readonly commits: Commits;
  readonly reports: RepairReports;
  readonly copies: number;
  readonly limits: WorkerLimits["repair"];
  readonly pace: Pace;
  readonly log: Logger;
  readonly metrics: ObjectMetrics;
  /** Bad copies were given up: there is something to delete. */
  readonly onDropped: () => void;
};

type Finish = { added: string[]; dropped: string[]; retryAfterMs: number };

/**
 * One round of repair: takes what is due and brings each blob back to three good copies on three nodes. The queue's
 * visibility makes any number of workers safe. Answers whether more is due.
 */
export async function repairStep(deps: RepairDependencies, signal: AbortSignal): Promise<boolean> {
  const { batch, parallel, visibilityMs } = deps.limits;
  const value = { limit: batch, visibilityMs: BigInt(visibilityMs) };
  const outcome = await deps.commits.apply({ case: "takeRepairs", value }, newCall({ signal }));
  const tasks = outcome.result.case === "repairs" ? outcome.result.value.tasks : [];
  const waiting = [...tasks];
  const lane = async () => {
    for (let task = waiting.shift(); task !== undefined && !signal.aborted; task = waiting.shift()) {
      const work = () => repairOne(deps, task, newCall({ signal, timeoutMs: visibilityMs }));
      await deps.pace.step(work, (copied) => copied * Number(task.sizeBytes), signal);
    }
  };
  await Promise.all(Array.from({ length: parallel }, lane));
  return tasks.length === batch;
}

/** Answers how many copies were made or read whole. */
async function repairOne(deps: RepairDependencies, task: RepairTask, call: Call): Promise<number> {
  const { cluster } = deps;
  const placeOf = (volumeId: string) => cluster.volume(volumeId)?.node;
  const plan = planRepair(task.blobId, task.copies, cluster.writable(), deps.copies, placeOf);
  let finish: Finish;
  try {
    finish = await mend(deps, task, plan, call);
  } catch (error) {
    if (call.signal.aborted) return 0;
    deps.log.warn({ err: error, blobId: task.blobId }, "a repair failed and is tried again");
    finish = { added: [], dropped: [], retryAfterMs: backOff(deps, task) };
  }
  const { added, dropped, retryAfterMs } = finish;
  const value = {
    blobId: task.blobId,
    addedVolumeIds: added,
    droppedVolumeIds: dropped,
    retryAfterMs: BigInt(retryAfterMs),
    copies: deps.copies,
  };
  await deps.commits.apply({ case: "finishRepair", value }, call);
  deps.metrics.repairs.inc({
    outcome: retryAfterMs === 0 ? "whole" : added.length > 0 ? "copied" : "waiting",
  });
  if (dropped.length > 0) deps.onDropped();
  return Math.max(added.length, plan.bad.length);
}

async function mend(
  deps: RepairDependencies,
  task: RepairTask,
  plan: RepairPlan<Target>,
  call: Call,
): Promise<Finish> {
  const isCondemned = (volumeId: string) =>
    task.copies.some((copy) => copy.volumeId === volumeId && copy.state === CopyState.CONDEMNED);
  const looked = await lookAtReported(deps, task, plan, call);
  const added = [...looked.sound];
  let missing = plan.missing - added.length;
  let unsure = false;
  // Other volumes first; then the reported copies' own, where the node replaces what is damaged (P9).
  const own = deps.cluster.writable().filter((target) => looked.damaged.includes(target.volumeId));
  for (const target of [...plan.targets, ...own]) {
    if (missing <= 0) break;
    if (!(await copyFromAny(deps, task, plan.good, target, call))) continue;
    added.push(target.volumeId);
    missing--;
    // Only the metadata knows whether a condemned pair may be named again (P6): looked at once more later.
    unsure ||= isCondemned(target.volumeId);
  }
  if (missing > 0) return { added, dropped: [], retryAfterMs: backOff(deps, task) };
  const dropped = plan.bad.filter((volumeId) => !added.includes(volumeId));
  return { added, dropped, retryAfterMs: unsure ? deps.limits.retryMs : 0 };
}

/** Reads the copies that were reported whole: what proves sound counts again; others are damaged or missing. */
async function lookAtReported(
  deps: RepairDependencies,
  task: RepairTask,
  plan: RepairPlan<Target>,
  call: Call,
): Promise<{ sound: string[]; damaged: string[] }> {
  const sound: string[] = [];
  const damaged: string[] = [];
  for (const volumeId of plan.bad) {
    const volume = deps.cluster.volume(volumeId);
    if (volume === undefined || !volume.node.alive) continue;
    try {
      const found = await volume.node.client.verifyBlob({ blobId: task.blobId, volumeId }, call);
      const equal = found.sizeBytes === task.sizeBytes && found.crc32c === task.crc32c;
      (equal ? sound : damaged).push(volumeId);
    } catch (error) {
      if (hasReason(error, "DAMAGED_BLOB", "NO_SUCH_BLOB")) damaged.push(volumeId);
    }
  }
  return { sound, damaged };
}

function backOff(deps: RepairDependencies, task: RepairTask): number {
  return Math.min(deps.limits.retryMs * 2 ** Math.min(task.attempts, 10), 600_000);
}
