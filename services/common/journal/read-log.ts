import { type Claim, isOfClaim } from "./claim-file";
import type { JournalDisk } from "./journal-disk";
import { isLogFileName, type LogFile, readFileHeader, readRecords, withoutGaps } from "./log-file";
import { isSame, type LogRecord, type Position } from "./record";
import { type Transaction, TransactionReader } from "./statements";

/** A record with what it says, where it is a transaction. */
export type LogEntry = LogRecord & { readonly transaction: Transaction | undefined };

/** The log files of a folder with sound headers of this history and those before it, in order and without a gap. */
export async function logFilesOf(
  disk: JournalDisk,
  folder: string,
  claim: Pick<Claim, "history" | "former">,
): Promise<LogFile[]> {
  const files: LogFile[] = [];
  for (const name of (await disk.list(folder)).filter(isLogFileName).sort()) {
    const path = `${folder}/${name}`;
    const header = await readFileHeader(disk, path);
    if (header !== undefined && isOfClaim(header.history, claim)) files.push({ path, name, header });
  }
  return withoutGaps(files).files;
}

/**
 * The records behind `after`, in order, as far as the chain is sound. Undefined when `after` does not lie on this log,
 * or lies before where it was cut.
 */
export async function recordsAfter(
  disk: JournalDisk,
  files: readonly LogFile[],
  after: Position,
): Promise<AsyncGenerator<LogEntry, void> | undefined> {
  const index = files.findLastIndex(({ header }) => header.previous.number <= after.number);
  const file = files[index];
  if (file === undefined) return undefined;
  if (!isSame(file.header.previous, after) && !(await liesIn(disk, file, after))) return undefined;
  return walk(disk, files.slice(index), after);
}

async function liesIn(disk: JournalDisk, file: LogFile, position: Position): Promise<boolean> {
  for await (const record of readRecords(disk, file.path, file.header))
    if (record.position.number >= position.number) return isSame(record.position, position);
  return false;
}

async function* walk(
  disk: JournalDisk,
  files: readonly LogFile[],
  after: Position,
): AsyncGenerator<LogEntry, void> {
  let last: Position | undefined;
  for (const [index, file] of files.entries()) {
    const next = files[index + 1];
    if (last !== undefined && !isSame(file.header.previous, last)) return;
    last = file.header.previous;
    const reader = new TransactionReader();
    for await (const record of readRecords(disk, file.path, file.header)) {
      if (next !== undefined && record.position.number > next.header.previous.number) break;
      last = record.position;
      // All are read: later ones refer to texts of those before them in the file.
      const transaction = record.kind === "transaction" ? reader.read(record.body) : undefined;
      if (record.position.number > after.number) yield { ...record, transaction };
    }
  }
}
