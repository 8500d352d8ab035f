import { startWorker, type Worker } from "../../common/lifecycle/worker";
import type { Logger } from "../../common/log/logger";
import type { Clock } from "../../common/time/clock";
import type { ClusterView } from "../cluster-view";
import type { Commits, MetadataClient } from "../commit";
import type { WorkerLimits } from "../config";
import type { ObjectMetrics } from "../metrics";
import type { RepairReports } from "../repair-reports";
import { deletesStep } from "./deletes";
import { LostVolumes } from "./lost-volumes";
import { orphansWalk } from "./orphans";
import { purgeStep } from "./purge";
import { repairStep } from "./repair";

export type ObjectWorkers = {
  /** There may be something to repair. */
  nudgeRepairs(): void;
  close(): Promise<void>;
};

/** Repair, deletes, orphans, purge and lost volumes, each a loop of bounded steps. Any number of processes may run them. */
export function startObjectWorkers(deps: {
  readonly cluster: ClusterView;
  readonly metadata: MetadataClient;
  readonly commits: Commits;
  readonly reports: RepairReports;
  readonly copies: number;
  readonly limits: WorkerLimits;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: ObjectMetrics;
}): ObjectWorkers {
  const { clock, log, limits } = deps;
  const start = (name: keyof WorkerLimits, step: (signal: AbortSignal) => Promise<boolean>, share = 1) =>
    startWorker({ name: `object-${name}`, clock, log, idleMs: limits[name].idleMs, share, step });
  const deletes = start("deletes", (signal) => deletesStep({ ...deps, limits: limits.deletes }, signal));
  const onDropped = () => deletes.nudge();
  const repairs = start("repair", (signal) =>
    repairStep({ ...deps, limits: limits.repair, onDropped }, signal),
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
  const all: Worker[] = [repairs, deletes, orphans, purge, lost];
  return {
    nudgeRepairs: () => repairs.nudge(),
    close: async () => {
      await Promise.all(all.map((worker) => worker.close()));
    },
  };
}
