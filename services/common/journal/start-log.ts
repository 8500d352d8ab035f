import { type Claim, writeClaim } from "./claim-file";
import type { JournalDisk } from "./journal-disk";
import { levelFolder } from "./level-folder";
import { memberCount, quorum } from "./members";
import { isAfter, origin, type Position } from "./record";
import { type Survey, surveyFolder } from "./survey";

/** The journal cannot be begun; the message says why and what to do. */
export class JournalUnusable extends Error {}

/**
 * Planted bugs, for controls alone: the longest log wins whatever its epoch; an epoch is neither claimed nor its first
 * record awaited; records are not synced.
 */
export type JournalBug = "no-epoch" | "no-claim" | "no-sync";

export type StartOptions = {
  readonly disk: JournalDisk;
  /** Where the journal lies, each folder's parent made by others. */
  readonly folders: readonly string[];
  readonly randomHex: (bytes: number) => string;
  /** An operator's word: one folder is enough, and a new history begins. */
  readonly force?: boolean | undefined;
  readonly bug?: JournalBug | undefined;
};

/** What a start found and claimed. Nothing of the new epoch is written yet but claims. */
export type Started = {
  readonly claim: Pick<Claim, "history" | "epoch" | "claimId">;
  /** The folders that count: the new epoch's first record says so. */
  readonly members: readonly string[];
  /** Where the log ends. */
  readonly tail: Position;
  /** The file that it ends in, "" before the first. */
  readonly lastFile: string;
  readonly level: readonly { readonly folder: string; readonly member: string }[];
  /** Folders that hold another's log, none, or could not be read. */
  readonly behind: readonly { readonly folder: string; readonly reason: string }[];
};

type Known = Survey & { readonly claim: Claim };
type Behind = { folder: string; reason: string }[];

/**
 * P5's start: looks at the folders, claims an epoch above all it finds in two of them, takes the log that goes
 * furthest by (epoch, number), and brings the other members level. Throws JournalUnusable when fewer than two members
 * are there. The caller syncs the new epoch's first record in two before it applies or serves anything.
 */
export async function startLog(options: StartOptions): Promise<Started> {
  const { disk, folders, randomHex, bug } = options;
  const behind: Behind = [];
  const surveys = await all(folders, behind, (folder) => surveyFolder(disk, folder));
  const known = surveys.filter((survey): survey is Known => survey.claim !== undefined);
  // Claims without a record are those of a first start that was cut off.
  const winner = known.every(({ files }) => files.length === 0) ? undefined : winnerOf(known, options);
  const claimId = randomHex(16);

  if (winner === undefined) {
    if (behind.length > 0)
      throw new JournalUnusable(
        `A new journal wants all of its ${memberCount} folders, but ${sentence(behind)}.`,
      );
    const claim = { history: randomHex(16), epoch: 1, claimId };
    const level = await all(folders, behind, async (folder) => {
      const member = randomHex(16);
      await writeClaim(disk, folder, { format: 1, ...claim, member });
      return { folder, member };
    });
    requireQuorum(level.length === folders.length ? level.length : 0, behind, options);
    return { claim, members: level.map(({ member }) => member), tail: origin, lastFile: "", level, behind };
  }

  const counted = known.filter(
    ({ claim }) => claim.history === winner.claim.history && winner.members.includes(claim.member),
  );
  for (const { folder, claim } of surveys) {
    if (counted.some((survey) => survey.folder === folder)) continue;
    behind.push({ folder, reason: claim === undefined ? "it is new" : "it does not count any more" });
  }
  requireQuorum(counted.length, behind, options);
  // Others that were found may have been claimed by a start that counted them.
  const epochs = known
    .filter(({ claim }) => claim.history === winner.claim.history)
    .map(({ claim, tail }) => Math.max(bug === "no-claim" ? 0 : claim.epoch, tail.epoch));
  const epoch = Math.max(...epochs) + 1;
  const claimed = await all(counted, behind, async (survey) => {
    if (bug !== "no-claim") await writeClaim(disk, survey.folder, { ...survey.claim, epoch, claimId });
    return survey;
  });
  requireQuorum(claimed.length, behind, options);
  const level = await all(claimed, behind, async (survey) => {
    const source = survey === winner ? { files: winner.files, tail: winner.tail } : winner;
    await levelFolder(disk, survey, source, false);
    return { folder: survey.folder, member: survey.claim.member };
  });
  requireQuorum(level.length, behind, options);
  const claim = { history: winner.claim.history, epoch, claimId };
  const lastFile = winner.files.at(-1)?.name ?? "";
  return { claim, members: winner.members, tail: winner.tail, lastFile, level, behind };
}

/** The log that goes furthest, of the history that most folders have. A folder that left its own members is none. */
function winnerOf(known: readonly Known[], { bug, force }: StartOptions): Known | undefined {
  const votes = (history: string) => known.filter(({ claim }) => claim.history === history).length;
  const further = (a: Known, b: Known) =>
    bug === "no-epoch" ? a.tail.number > b.tail.number : isAfter(a.tail, b.tail);
  let best: Known | undefined;
  for (const survey of known) {
    const counts = survey.members.includes(survey.claim.member) || survey.files.length === 0;
    if (!counts && force !== true) continue;
    const [own, most] = [votes(survey.claim.history), best === undefined ? 0 : votes(best.claim.history)];
    if (best === undefined || own > most || (own === most && further(survey, best))) best = survey;
  }
  return best;
}

function requireQuorum(found: number, behind: Behind, { force, folders }: StartOptions): void {
  if (found >= (force === true ? 1 : quorum)) return;
  throw new JournalUnusable(
    `The journal of names and keys can be read in ${found} of its ${memberCount} folders; ${quorum} are needed, since ` +
      `one alone may lack what was acknowledged (${folders.join(", ")}: ${sentence(behind)}). ` +
      "Bring a missing folder back and start again.",
  );
}

function sentence(behind: Behind): string {
  return behind.map(({ folder, reason }) => `${folder}: ${reason}`).join("; ");
}

/** Does it for all at once; those that fail are told in `behind`. */
async function all<T, R>(items: readonly T[], behind: Behind, work: (item: T) => Promise<R>): Promise<R[]> {
  const done = await Promise.all(
    items.map(async (item) => {
      try {
        return { result: await work(item) };
      } catch (error) {
        const folder = typeof item === "string" ? item : (item as unknown as { folder: string }).folder;
        behind.push({ folder, reason: error instanceof Error ? error.message : String(error) });
        return undefined;
      }
    }),
  );
  return done.flatMap((entry) => (entry === undefined ? [] : [entry.result]));
}
