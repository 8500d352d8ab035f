import type { Claim } from "./claim-file";
import type { JournalDisk } from "./journal-disk";
import type { Position } from "./record";

/** The journal cannot be begun; the message says why and what to do. */
export class JournalUnusable extends Error {}

/**
 * Planted bugs, for controls alone: the longest log wins whatever its epoch; an epoch is neither claimed nor its first
 * record awaited; records are not synced; a history that was given up counts again; a folder that is replaced is written
 * until it counts no more.
 */
export type JournalBug = "no-epoch" | "no-claim" | "no-sync" | "no-history" | "leaves-late";

export type StartOptions = {
  readonly disk: JournalDisk;
  /** Where the journal lies, each folder's parent made by others. */
  readonly folders: readonly string[];
  readonly randomHex: (bytes: number) => string;
  /** An operator's word (P5): the one folder that is left is enough, and a new history begins. */
  readonly acceptLoss?: boolean | undefined;
  readonly bug?: JournalBug | undefined;
};

/** What a start found and claimed. Nothing of the new epoch is written yet but claims. */
export type Started = {
  readonly claim: RunningClaim;
  /** The folders that count: the new epoch's first record says so. */
  readonly members: readonly string[];
  /** Where the log ends. */
  readonly tail: Position;
  /** The file that it ends in, "" before the first. */
  readonly lastFile: string;
  readonly level: readonly { readonly folder: string; readonly member: string }[];
  /** Folders that hold another's log, none, or could not be read. */
  readonly behind: readonly FolderBehind[];
};

/** What is the same in every folder's claim. */
export type RunningClaim = Pick<Claim, "history" | "former" | "epoch" | "claimId">;

export type FolderBehind = {
  readonly folder: string;
  readonly reason: string;
  /** Its disk refused, rather than it being new or another's. */
  readonly failed: boolean;
};

export function sentenceOf(behind: readonly FolderBehind[]): string {
  return behind.map(({ folder, reason }) => `${folder}: ${reason}`).join("; ");
}
