import type { Change, ChangeCase, Handler } from "../commit/handler";
import { abortUpload } from "./abort-upload";
import { addPart } from "./add-part";
import { completeUpload } from "./complete-upload";
import { condemnOrphans } from "./condemn-orphans";
import { configureBucket } from "./configure-bucket";
import { createBucket } from "./create-bucket";
import { createUpload } from "./create-upload";
import { deleteBucket } from "./delete-bucket";
import { deleteVersion } from "./delete-version";
import { drainVolumes } from "./drain-volumes";
import { endLease } from "./end-lease";
import { fenceVolume } from "./fence-volume";
import { finishDeletes } from "./finish-deletes";
import { finishRepair } from "./finish-repair";
import { holdLease } from "./hold-lease";
import { moveCopy } from "./move-copy";
import { purge } from "./purge";
import { putVersion } from "./put-version";
import { queueRepair } from "./queue-repair";
import { registerNode } from "./register-node";
import { removeVolume } from "./remove-volume";
import { renewUpload } from "./renew-upload";
import { saveWalk } from "./save-walk";
import { startWalks } from "./start-walks";
import { takeDeletes } from "./take-deletes";
import { takeRepairs } from "./take-repairs";
import { takeWalk } from "./take-walk";

/** The one decider: every change of the contract has its handler. */
const handlers: { [C in ChangeCase]: Handler<C> } = {
  createBucket,
  deleteBucket,
  configureBucket,
  putVersion,
  deleteVersion,
  createUpload,
  addPart,
  renewUpload,
  completeUpload,
  abortUpload,
  registerNode,
  fenceVolume,
  holdLease,
  endLease,
  queueRepair,
  takeRepairs,
  finishRepair,
  takeDeletes,
  finishDeletes,
  condemnOrphans,
  purge,
  drainVolumes,
  removeVolume,
  moveCopy,
  startWalks,
  takeWalk,
  saveWalk,
};

/** The handler of a change, typed for its value. */
export function handlerOf(change: Change): Handler<ChangeCase> {
  return handlers[change.case] as unknown as Handler<ChangeCase>;
}
