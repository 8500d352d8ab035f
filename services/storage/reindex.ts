import { ConfigError } from "../common/config/options";
import type { Logger } from "../common/log/logger";
import { claimFolder } from "./claim-folder";
import { codeOf, type Disk } from "./disk";
import { requireVolume } from "./find-volume";
import { SegmentFiles } from "./segment-files";
import { recoverSegments } from "./segment-recovery";

export type Reindexed = {
  readonly blobs: number;
  readonly segments: number;
  readonly bytes: number;
};

/**
 * Makes the index of a volume's small blobs anew from its segments alone, each record's checksums checked. (A larger
 * blob is found by its file's name and has no index.) It holds the volume's lock meanwhile. A crash leaves an index that
 * the next start, or another run, brings level. Damage is told to `log`.
 *
 * Throws ConfigError: the folder is no volume, in use, or fenced, which nothing may be written to any more.
 */
export async function reindexVolume(options: {
  readonly disk: Disk;
  readonly folder: string;
  readonly log: Logger;
  readonly onProgress: (doneBytes: number, totalBytes: number) => void;
}): Promise<Reindexed> {
  const { disk, folder, log } = options;
  await requireVolume(disk, folder);
  const claim = await claimFolder(disk, folder);
  try {
    const fence = claim.record?.fence;
    if (fence !== undefined)
      throw new ConfigError(
        `The volume in ${folder} is fenced (${fence}): nothing is written to it. It is read without an index file; give the store a new folder instead.`,
      );
    const indexPath = `${folder}/index.db`;
    for (const path of [indexPath, `${indexPath}-wal`, `${indexPath}-shm`]) {
      await disk.unlink(path).catch((error: unknown) => {
        if (codeOf(error) !== "ENOENT") throw error;
      });
    }
    let bytes = 0;
    const index = await recoverSegments({
      disk,
      log,
      files: new SegmentFiles(disk, `${folder}/segments`),
      indexPath,
      readOnly: false,
      onProgress: (doneBytes, totalBytes) => {
        bytes = totalBytes;
        options.onProgress(doneBytes, totalBytes);
      },
    });
    const { blobs, segments } = index;
    index.close();
    return { blobs, segments: segments.length, bytes };
  } finally {
    claim.lock.release();
  }
}
