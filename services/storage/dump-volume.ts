import type { Disk } from "./disk";
import { field, type Print } from "./dump-text";
import { readText } from "./replace-file";
import { parseScrubFile, type ScrubProgress } from "./scrub-position";
import { parseVolumeFile, UnusableVolumeFile, type VolumeRecord } from "./volume-file";

/** Prints volume.json. False when it cannot be used. */
export async function dumpVolumeFile(disk: Disk, path: string, print: Print): Promise<boolean> {
  let record: VolumeRecord;
  try {
    record = parseVolumeFile((await readText(disk, path)) ?? "");
  } catch (error) {
    if (!(error instanceof UnusableVolumeFile)) throw error;
    await print(`volume\nbad: ${error.message}`);
    return false;
  }
  const { history } = record;
  await print("volume");
  await print(field("format", record.format));
  await print(field("volume", record.volumeId));
  await print(field("node", record.nodeId));
  await print(field("fence", record.fence ?? "none"));
  for (const [volumeId, why] of Object.entries(record.fencedVolumes))
    await print(field("fenced elsewhere", `${volumeId}: ${why}`));
  if (history === undefined) await print(field("history", "follows none yet"));
  else {
    await print(field("cluster", history.clusterId));
    await print(field("history", history.historyId));
    await print(field("last change", `${history.changeNumber} by command ${history.changeCommandId}`));
    await print(field("last mark", `${history.markNumber} by command ${history.markCommandId}`));
  }
  return true;
}

/** Prints scrub.json. False when it cannot be used, which only makes the walk begin again. */
export async function dumpScrubFile(disk: Disk, path: string, print: Print): Promise<boolean> {
  const progress: ScrubProgress | undefined = parseScrubFile(await readText(disk, path));
  await print("scrub position");
  if (progress === undefined) {
    await print("bad: it is not understood; the walk begins again");
    return false;
  }
  const { lastPassAtMs } = progress;
  await print(field("handled through", progress.handledThroughBlobId || "nothing yet"));
  await print(field("pass began", new Date(progress.passStartedAtMs).toISOString()));
  await print(
    field(
      "in this pass",
      `${progress.passBlobs} blobs, ${progress.passBytes} bytes, ${progress.passDamaged} damaged`,
    ),
  );
  await print(
    field("last pass ended", lastPassAtMs === undefined ? "never" : new Date(lastPassAtMs).toISOString()),
  );
  return true;
}
