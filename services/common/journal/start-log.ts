import { beginHistory } from "./begin-history";
import { writeClaim } from "./claim-file";
import { eachFolder } from "./each-folder";
import { levelFolder } from "./level-folder";
import { memberCount, quorum } from "./members";
import { origin } from "./record";
import {
  type FolderBehind,
  JournalUnusable,
  type Started,
  type StartOptions,
  sentenceOf,
} from "./start-options";
import { surveyFolder } from "./survey";
import { countedBy, isKnown, winnerOf } from "./winner";

/**
 * P5's start: looks at the folders, claims an epoch above all it finds in two of them, takes the log that goes
 * furthest by (epoch, number), and brings the other members level. Throws JournalUnusable when fewer than two members
 * are there. The caller syncs the new epoch's first record in two before it applies or serves anything.
 */
export async function startLog(options: StartOptions): Promise<Started> {
  const { disk, folders, randomHex, bug } = options;
  const behind: FolderBehind[] = [];
  const surveys = await eachFolder(folders, behind, (folder) => surveyFolder(disk, folder));
  if (options.acceptLoss === true) return beginHistory(options, surveys, behind);
  const known = surveys.filter(isKnown);
  // Claims without a record are those of a first start that was cut off.
  if (known.every(({ files }) => files.length === 0)) return firstStart(options, behind);
  const winner = winnerOf(known, bug);
  const counted = winner === undefined ? [] : countedBy(winner, known);
  for (const { folder, claim } of surveys) {
    if (counted.some((survey) => survey.folder === folder)) continue;
    const reason = claim === undefined ? "it is new" : "it does not count any more";
    behind.push({ folder, reason, failed: false });
  }
  requireQuorum(counted.length, behind, options);
  if (winner === undefined) throw new JournalUnusable("No folder counts.");
  // Others that were found may have been claimed by a start that counted them.
  const epochs = known
    .filter(({ claim }) => claim.history === winner.claim.history)
    .map(({ claim, tail }) => Math.max(bug === "no-claim" ? 0 : claim.epoch, tail.epoch));
  const { history, former } = winner.claim;
  const claim = { history, former, epoch: Math.max(...epochs) + 1, claimId: randomHex(16) };
  const claimed = await eachFolder(counted, behind, async (survey) => {
    if (bug !== "no-claim") await writeClaim(disk, survey.folder, { ...survey.claim, ...claim });
    return survey;
  });
  requireQuorum(claimed.length, behind, options);
  const level = await eachFolder(claimed, behind, async (survey) => {
    const source = survey === winner ? { files: winner.files, tail: winner.tail } : winner;
    await levelFolder(disk, survey, source, false);
    return { folder: survey.folder, member: survey.claim.member };
  });
  requireQuorum(level.length, behind, options);
  const lastFile = winner.files.at(-1)?.name ?? "";
  return { claim, members: winner.members, tail: winner.tail, lastFile, level, behind };
}

/** A journal that never was; all of its folders must be there. */
async function firstStart(
  { disk, folders, randomHex }: StartOptions,
  behind: FolderBehind[],
): Promise<Started> {
  const requireAll = () => {
    if (behind.length === 0) return;
    throw new JournalUnusable(
      `A new journal wants all of its ${memberCount} folders, but ${sentenceOf(behind)}.`,
    );
  };
  requireAll();
  const claim = { history: randomHex(16), former: [], epoch: 1, claimId: randomHex(16) };
  const level = await eachFolder(folders, behind, async (folder) => {
    const member = randomHex(16);
    await writeClaim(disk, folder, { format: 1, member, ...claim });
    return { folder, member };
  });
  requireAll();
  return { claim, members: level.map(({ member }) => member), tail: origin, lastFile: "", level, behind };
}

function requireQuorum(found: number, behind: readonly FolderBehind[], { folders }: StartOptions): void {
  if (found >= quorum) return;
  throw new JournalUnusable(
    `The journal of names and keys can be read in ${found} of its ${memberCount} folders; ${quorum} are needed, since ` +
      `one alone may lack what was acknowledged (${folders.join(", ")}: ${sentenceOf(behind)}). ` +
      "Bring a missing folder back and start again. When none comes back, `cairn admin accept-loss` says what going " +
      "on from the one that is left would mean, and does it.",
  );
}
