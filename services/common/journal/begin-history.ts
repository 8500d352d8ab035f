import { writeClaim } from "./claim-file";
import { eachFolder } from "./each-folder";
import { levelFolder } from "./level-folder";
import { memberCount, quorum } from "./members";
import {
  type FolderBehind,
  JournalUnusable,
  type Started,
  type StartOptions,
  sentenceOf,
} from "./start-options";
import { type Survey, surveyFolder } from "./survey";
import { countedBy, isKnown, type Known, winnerOf, withoutFormer } from "./winner";

/**
 * The folder that an operator's word makes the journal go on from. Throws JournalUnusable when no word is needed, when
 * there is nothing to go on from, or when it is not clear from what.
 */
export function survivorOf(surveys: readonly Survey[], behind: readonly FolderBehind[]): Known {
  const known = surveys.filter(isKnown).filter(({ files }) => files.length > 0);
  const survivor = winnerOf(known);
  if (survivor === undefined)
    throw new JournalUnusable(
      `No folder is left that the journal of names and keys can go on from (${sentenceOf(behind)}). ` +
        "Restore the data folders from a backup.",
    );
  const found = countedBy(survivor, known).length;
  if (found >= quorum)
    throw new JournalUnusable(
      `No loss need be accepted: ${found} of the journal's ${memberCount} folders can be read. Start the store.`,
    );
  const histories = new Map(withoutFormer(known).map(({ claim, folder }) => [claim.history, folder]));
  if (histories.size > 1)
    throw new JournalUnusable(
      `${[...histories.values()].join(" and ")} hold journals that know nothing of each other. ` +
        "Put an empty folder in the place of the one that is not to be believed.",
    );
  return survivor;
}

/** What an operator's word would go on from, and without what. Changes nothing. Throws as `survivorOf`. */
export async function lossOf({
  disk,
  folders,
}: Pick<StartOptions, "disk" | "folders">): Promise<{ survivor: Known; without: FolderBehind[] }> {
  const without: FolderBehind[] = [];
  const surveys = await eachFolder(folders, without, (folder) => surveyFolder(disk, folder));
  const survivor = survivorOf(surveys, without);
  for (const { folder, claim } of surveys) {
    const reason = claim === undefined ? "it is empty or new" : "it does not count";
    if (folder !== survivor.folder) without.push({ folder, reason, failed: false });
  }
  return { survivor, without };
}

/**
 * An operator's word begins a new history (P5): the survivor's log goes on in it, in two folders at least, and folders
 * of the former one never count by themselves. The others are brought level before they are claimed: cut off in
 * between, the word is to be given again.
 */
export async function beginHistory(
  { disk, randomHex }: StartOptions,
  surveys: readonly Survey[],
  behind: FolderBehind[],
): Promise<Started> {
  const survivor = survivorOf(surveys, behind);
  const { files, tail, claim: own } = survivor;
  const others = surveys.filter((survey) => survey !== survivor);
  const level = await eachFolder(others, behind, async (survey) => {
    await levelFolder(disk, survey, { files, tail }, false);
    return { folder: survey.folder, member: randomHex(16) };
  });
  if (level.length + 1 < quorum)
    throw new JournalUnusable(
      `The journal goes on in ${quorum} folders at least, and only ${survivor.folder} can be used ` +
        `(${sentenceOf(behind)}). Give an empty folder in the place of a lost one.`,
    );
  await levelFolder(disk, survivor, { files, tail }, false);
  const epochs = surveys.map((survey) => Math.max(survey.claim?.epoch ?? 0, survey.tail.epoch));
  const claim = {
    history: randomHex(16),
    former: [...own.former, own.history],
    epoch: Math.max(...epochs) + 1,
    claimId: randomHex(16),
  };
  // The survivor first: no other folder may be of a history whose log it alone does not have.
  await writeClaim(disk, survivor.folder, { format: 1, member: own.member, ...claim });
  const claimed = await eachFolder(level, behind, async (place) => {
    await writeClaim(disk, place.folder, { format: 1, member: place.member, ...claim });
    return place;
  });
  const all = [{ folder: survivor.folder, member: own.member }, ...claimed];
  return {
    claim,
    members: all.map(({ member }) => member),
    tail,
    lastFile: files.at(-1)?.name ?? "",
    level: all,
    behind,
  };
}
