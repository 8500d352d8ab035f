import type { JournalDisk } from "./journal-disk";
import { levelFolder, type OpenCopy } from "./level-folder";
import type { RecentRecords } from "./recent-records";
import { surveyFolder } from "./survey";

const mostTries = 5;

/**
 * Brings a folder level with one that is being written meanwhile: up to a record from which on all are still in memory.
 * Answers that record's number and the file to go on with; undefined when the log is not the same one any more, or no
 * other folder is written. Throws when the others are always faster.
 */
export async function levelWhileWritten(options: {
  readonly disk: JournalDisk;
  readonly folder: string;
  /** A folder that is written just now. */
  readonly live: () => string | undefined;
  readonly recent: RecentRecords;
  /** The log that was begun with is still the one that is written. */
  readonly goesOn: () => boolean;
}): Promise<{ readonly durable: number; readonly open: OpenCopy & { readonly path: string } } | undefined> {
  const { disk, folder, recent, goesOn } = options;
  for (let tries = 1; tries <= mostTries; tries += 1) {
    const live = options.live();
    if (live === undefined || !goesOn()) return undefined;
    const target = await surveyFolder(disk, folder);
    const source = await surveyFolder(disk, live);
    const open = await levelFolder(disk, target, source, true);
    const durable = source.tail.number;
    const last = source.files.at(-1);
    if (goesOn() && recent.after(durable) !== "gone" && open !== undefined && last !== undefined)
      return { durable, open: { ...open, path: `${folder}/${last.name}` } };
    if (open !== undefined) await disk.close(open.fd);
  }
  throw new Error("the others write faster than it is brought level");
}
