import { type Claim, isOfClaim, readClaim } from "./claim-file";
import { codeOf, type JournalDisk } from "./journal-disk";
import { isLogFileName, type LogFile, readFileHeader, readRecords, withoutGaps } from "./log-file";
import { membersOf } from "./members";
import { origin, type Position } from "./record";

/** What a folder holds. */
export type Survey = {
  readonly folder: string;
  readonly claim: Claim | undefined;
  /** In order and without a gap; the last has a record at least. */
  readonly files: readonly LogFile[];
  /** Names of log files without a sound header or record, or before a gap: what a crash left, or damage. */
  readonly unsound: readonly string[];
  /** Where its log ends: its last sound record. */
  readonly tail: Position;
  /** Where that record ends in the last file. */
  readonly tailEndBytes: number;
  /** The members by its last word on them. */
  readonly members: readonly string[];
};

/**
 * Looks at one folder; makes it when it is not there, but never the folder above, which may be a disk that is not
 * mounted. Rejects with what the disk said.
 */
export async function surveyFolder(disk: JournalDisk, folder: string): Promise<Survey> {
  try {
    await disk.mkdir(folder);
    await disk.syncDirectory(folder.slice(0, folder.lastIndexOf("/")) || "/");
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
  const claim = await readClaim(disk, folder);
  const files: LogFile[] = [];
  const unsound: string[] = [];
  for (const name of (await disk.list(folder)).filter(isLogFileName).sort()) {
    const path = `${folder}/${name}`;
    const header = await readFileHeader(disk, path);
    if (header === undefined || !isOfClaim(header.history, claim)) unsound.push(name);
    else files.push({ path, name, header });
  }
  for (let last = files.at(-1); last !== undefined; last = files.at(-1)) {
    let tail: Position | undefined;
    let tailEndBytes = 0;
    let members = last.header.members;
    for await (const record of readRecords(disk, last.path, last.header)) {
      tail = record.position;
      tailEndBytes = record.endBytes;
      members = membersOf(record) ?? members;
    }
    if (tail !== undefined) {
      const whole = withoutGaps(files);
      unsound.push(...whole.beforeGap);
      return { folder, claim, files: whole.files, unsound, tail, tailEndBytes, members };
    }
    unsound.push(last.name);
    files.pop();
  }
  return { folder, claim, files, unsound, tail: origin, tailEndBytes: 0, members: [] };
}
