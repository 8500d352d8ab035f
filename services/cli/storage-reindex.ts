import { resolve } from "node:path";
import type { Logger } from "../common/log/logger";
import { systemClock } from "../common/time/clock";
import { nodeDisk } from "../storage/node-disk";
import { reindexVolume } from "../storage/reindex";
import { ProgressLine, type ProgressTarget } from "./progress-line";

/** `cairn storage reindex FOLDER`: makes a volume's index anew. Answers what it found, in a sentence. */
export async function storageReindex(folder: string, log: Logger, target: ProgressTarget): Promise<string> {
  const progress = new ProgressLine("reindex", target, systemClock);
  try {
    const { blobs, segments } = await reindexVolume({
      disk: nodeDisk,
      folder: resolve(folder),
      log,
      onProgress: (done, total) => progress.bytes(done, total),
    });
    progress.end();
    return `${blobs} blobs in ${segments} segments are indexed.`;
  } finally {
    progress.end();
  }
}
