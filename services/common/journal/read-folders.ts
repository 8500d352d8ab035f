import type { JournalDisk } from "./journal-disk";
import { type LogEntry, logFilesOf, recordsAfter } from "./read-log";
import type { Position } from "./record";
import { JournalUnusable, type RunningClaim } from "./start-options";

type Reading = {
  readonly disk: JournalDisk;
  /** Folders that hold the log, to be read in this order. */
  readonly folders: readonly string[];
  readonly claim: RunningClaim;
  /** The last record that may be read. */
  readonly through: number;
};

/** The records behind a position, from any of the folders; undefined when it does not lie on the log of any. */
export async function readFolders(
  reading: Reading,
  after: Position,
): Promise<AsyncGenerator<LogEntry, void> | undefined> {
  const { disk, folders, claim } = reading;
  for (const folder of folders) {
    const records = await recordsAfter(disk, await logFilesOf(disk, folder, claim), after);
    if (records === undefined) continue;
    return readOn(
      reading,
      records,
      folders.filter((other) => other !== folder),
      after,
    );
  }
  return undefined;
}

/** Goes on in another folder where one is damaged. */
async function* readOn(
  { disk, folders, claim, through }: Reading,
  records: AsyncGenerator<LogEntry, void>,
  others: readonly string[],
  after: Position,
): AsyncGenerator<LogEntry, void> {
  let last = after;
  let reading: AsyncGenerator<LogEntry, void> | undefined = records;
  for (const other of [undefined, ...others]) {
    if (other !== undefined) reading = await recordsAfter(disk, await logFilesOf(disk, other, claim), last);
    if (reading === undefined) continue;
    for await (const record of reading) {
      if (record.position.number > through) return;
      yield record;
      last = record.position;
    }
    if (last.number >= through) return;
  }
  throw new JournalUnusable(
    `The journal is damaged: none of ${folders.join(", ")} holds record ${last.number + 1}. ` +
      "Restore the data folders from a backup.",
  );
}
