import { startWorker, type Worker } from "../../common/lifecycle/worker";
import type { Logger } from "../../common/log/logger";
import type { Clock } from "../../common/time/clock";
import type { ClusterView } from "../cluster-view";
import type { Commits, MetadataClient } from "../commit";
import type { WorkerLimits } from "../config";
import type { ObjectMetrics } from "../metrics";
import type { RepairReports } from "../repair-reports";
import type { Traffic } from "../traffic";
import { deletesStep } from "./deletes";
import { LostVolumes } from "./lost-volumes";
import { movesStep } from "./moves";
import { orphansWalk } from "./orphans";
import { Pace } from "./pace";
import { purgeStep } from "./purge";
import { repairStep } from "./repair";
import { scrubStep } from "./scrub";

export type ObjectWorkers = {
  /** There may be something to repair. */
  nudgeRepairs(): void;
  /** An operator has begun a walk. */
  nudgeWalks(): void;
  close(): Promise<void>;
};

/**
 * Repair, deletes, orphans, purge, lost volumes, moves and scrub, each a loop of bounded steps. Any number of processes
 * may run them.
 */
export function startObjectWorkers(deps: {
  readonly cluster: ClusterView;
  readonly metadata: MetadataClient;
  readonly commits: Commits;
  readonly reports: RepairReports;
  readonly copies: number;
  readonly limits: WorkerLimits;
  readonly traffic: Traffic;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: ObjectMetrics;
}): ObjectWorkers {
  const { clock, log, limits } = deps;
  const pace = new Pace({ clock, traffic: deps.traffic, ...limits.pace });
  const start = (
    name: Exclude<keyof WorkerLimits, "pace">,
    step: (signal: AbortSignal) => Promise<boolean>,
    share = 1,
  ) => startWorker({ name: `object-${name}`, clock, log, idleMs: limits[name].idleMs, share, step });
  const deletes = start("deletes", (signal) => deletesStep({ ...deps, limits: limits.deletes }, signal));
  const onDropped = () => deletes.nudge();
  const repairs = start("repair", (signal) =>
    repairStep({ ...deps, limits: limits.repair, pace, onDropped }, signal),
  );
  const orphans = start("orphans", (signal) => orphansWalk({ ...deps, limits: limits.orphans }, signal));
  const purge = start(
    "purge",
    (signal) => purgeStep({ ...deps, limits: limits.purge }, signal),
    limits.purge.share,
  );
  const onQueued = () => repairs.nudge();
  const lostVolumes = new LostVolumes({ ...deps, limits: limits.lost, onQueued });
  const lost = start("lost", (signal) => lostVolumes.step(signal));
  const moves = start("moves", (signal) => movesStep({ ...deps, limits: limits.moves, pace }, signal));
  const orphanGraceMs = limits.orphans.graceMs;
  const scrub = start("scrub", (signal) =>
    scrubStep({ ...deps, limits: limits.scrub, orphanGraceMs, pace }, signal),
  );
  const all: Worker[] = [repairs, deletes, orphans, purge, lost, moves, scrub];
  return {
    nudgeRepairs: () => repairs.nudge(),
    nudgeWalks: () => {
      moves.nudge();
      scrub.nudge();
    },
    close: async () => {
      await Promise.all(all.map((worker) => worker.close()));
    },
  };
}
