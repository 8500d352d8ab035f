import { encodeFileHeader, type LogFileHeader, logFileName } from "./log-file";
import type { RecentRecord } from "./recent-records";
import { encodeRecord, maxRecordBytes, type Position, type RecordKind } from "./record";
import type { Started } from "./start-options";
import type { FileTexts } from "./statements";

/** Where the log ends: gives each record its place behind the last one, and says when it begins a file. */
export class LogEnd {
  readonly #claim: Started["claim"];
  readonly #fileBytes: number;
  #file: { texts: FileTexts; bytes: number } | undefined;
  #lastFile: string;
  #last: Position;

  constructor({ claim, tail, lastFile }: Pick<Started, "claim" | "tail" | "lastFile">, fileBytes: number) {
    this.#claim = claim;
    this.#last = tail;
    this.#lastFile = lastFile;
    this.#fileBytes = fileBytes;
  }

  /** The last record that was given a place. */
  get last(): Position {
    return this.#last;
  }

  /** The next record. Throws when it is too long; then it has no place. */
  next(
    kind: RecordKind,
    encode: (texts: FileTexts) => Buffer,
    { members, nowMs }: { readonly members: readonly string[]; readonly nowMs: number },
  ): RecentRecord & { readonly position: Position } {
    const begun = this.#file !== undefined && this.#file.bytes < this.#fileBytes ? this.#file : undefined;
    const file = begun ?? { texts: new Map<string, number>(), bytes: 0 };
    const body = encode(file.texts);
    if (body.length > maxRecordBytes / 2) {
      // Its texts may be counted as written: the next record begins a file.
      this.#file = undefined;
      throw new Error(`a record of ${body.length} bytes is more than the journal takes`);
    }
    const { history, epoch } = this.#claim;
    const header: LogFileHeader = {
      ...{ format: 1, history, epoch, members, madeAtMs: nowMs },
      previous: this.#last,
      previousFile: this.#lastFile,
    };
    const { bytes, position } = encodeRecord(this.#last, epoch, kind, body);
    file.bytes += bytes.length;
    this.#file = file;
    this.#last = position;
    if (begun !== undefined) return { position, number: position.number, bytes, begins: undefined };
    this.#lastFile = logFileName(header);
    const begins = { name: this.#lastFile, header: encodeFileHeader(header) };
    return { position, number: position.number, bytes, begins };
  }
}
