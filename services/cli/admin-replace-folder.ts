import { existsSync, readdirSync, renameSync } from "node:fs";
import { join, resolve } from "node:path";
import { ConfigError, type Settings } from "../common/config/options";
import { lockFolder } from "../common/lifecycle/folder-lock";
import { systemClock } from "../common/time/clock";
import { replacedFileName } from "../storage/claim-folder";
import { copyTree } from "../storage/copy-tree";
import { copyVolume } from "../storage/copy-volume";
import { nodeDisk } from "../storage/node-disk";
import { volumeFileName } from "../storage/volume-file";
import { askStore } from "./admin-socket";
import { makeFolder } from "./make-folder";
import { ProgressLine, type ProgressTarget } from "./progress-line";

const nodeFolder = "node";
/** What a data folder holds beside the volume that is a process's own and not to be copied. */
const ownNames = /^(lock\.db.*|admin\.sock|lost\+found|node|.*\.replaced)$/;

/** `cairn admin replace-folder OLD NEW`: asks the store that runs on these folders, or moves what does not run. */
export async function replaceFolder(
  settings: Pick<Settings, "data">,
  oldFolder: string,
  newFolder: string,
  target: ProgressTarget,
): Promise<string> {
  const [from, to] = [resolve(oldFolder), resolve(newFolder)];
  const progress = new ProgressLine("replace-folder", target, systemClock);
  let last = "";
  try {
    for (const folder of new Set([from, ...settings.data.map((data) => resolve(data))])) {
      const done = await askStore(folder, { verb: "replace-folder", from, to }, (text) => {
        last = text;
        progress.told(text, false);
      });
      if (done === undefined) continue;
      if (last !== "") progress.told(last, true);
      return done;
    }
  } finally {
    progress.end();
  }
  return replaceStopped(settings, from, to, target);
}

/**
 * For a store that does not run: moves a data folder, or one disk of a storage node, to
 * another place and checks every byte. Answers what was done and how to start again, in sentences.
 *
 * Seam: a data folder's volume is moved by the storage service (copyVolume); whatever else lies in it (master key, state,
 * journal) is copied as it is, while both folders are locked, and renamed in the old one so that it counts only once.
 */
async function replaceStopped(
  settings: Pick<Settings, "data">,
  from: string,
  to: string,
  target: ProgressTarget,
): Promise<string> {
  if (from === to || to.startsWith(`${from}/`) || from.startsWith(`${to}/`))
    throw new ConfigError(
      `${from} and ${to} lie within each other. Give a folder elsewhere, on another disk.`,
    );
  if (isVolume(from)) {
    const moved = await moveVolume(from, to, target);
    return `${moved} Start the storage node with ${to} in place of ${from}; ${from} can then be removed.`;
  }
  if (!isVolume(join(from, nodeFolder)))
    throw new ConfigError(
      `${from} is no data folder that can be moved: it has no ${nodeFolder}/${volumeFileName}. A store with one --data keeps its three nodes in it: move that folder as a whole. When a disk is lost, start the store with an empty folder in its place; its copies come from the others.`,
    );
  makeFolder(to, "Give another one, or make it writable.");
  const locks = [lockFolder(from), lockFolder(to)];
  try {
    const moved = await moveVolume(join(from, nodeFolder), join(to, nodeFolder), target);
    const others = readdirSync(from).filter((name) => !ownNames.test(name));
    for (const name of others) await copyTree(nodeDisk, join(from, name), join(to, name));
    // Only when all is there: neither folder may count while something is missing in the new one.
    for (const name of others) renameSync(join(from, name), join(from, `${name}.replaced`));
    const data = settings.data.map((folder) => resolve(folder));
    const flags = data.map((folder) => `--data ${folder === from ? to : folder}`).join(" ");
    const how = data.includes(from) ? ` Start with ${flags}` : ` Start with ${to} in place of ${from}`;
    return `${moved}${how}; ${from} can then be removed.`;
  } finally {
    for (const lock of locks) lock.release();
  }
}

async function moveVolume(from: string, to: string, target: ProgressTarget): Promise<string> {
  const progress = new ProgressLine("replace-folder", target, systemClock);
  try {
    const onProgress = (done: number, total: number) => progress.bytes(done, total);
    const { volumeId, files, bytes, damaged } = await copyVolume({ disk: nodeDisk, from, to, onProgress });
    progress.end();
    const damage =
      damaged.length === 0
        ? "nothing was damaged"
        : `damaged, to be mended from other copies by the next scrub: ${damaged.join("; ")}`;
    return `Volume ${volumeId}: ${files} files, ${bytes} bytes copied and read back, ${damage}.`;
  } finally {
    progress.end();
  }
}

/** Also one whose move was cut off. */
function isVolume(folder: string): boolean {
  return [volumeFileName, replacedFileName].some((name) => existsSync(join(folder, name)));
}
