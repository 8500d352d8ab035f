import type { Claim } from "./claim-file";
import { isAfter } from "./record";
import type { JournalBug } from "./start-options";
import type { Survey } from "./survey";

/** A folder that says who it is. */
export type Known = Survey & { readonly claim: Claim };

export function isKnown(survey: Survey): survey is Known {
  return survey.claim !== undefined;
}

/**
 * The folder whose log is followed (P5): of the history that most folders have, the log that goes furthest. A folder
 * that left its own members is none, nor is one of a history that another one was begun from by an operator's word.
 */
export function winnerOf(known: readonly Known[], bug?: JournalBug): Known | undefined {
  const candidates = withoutFormer(known, bug).filter(
    ({ members, claim, files }) => members.includes(claim.member) || files.length === 0,
  );
  const votes = ({ claim }: Known) => known.filter((other) => other.claim.history === claim.history).length;
  const further = (a: Known, b: Known) =>
    bug === "no-epoch" ? a.tail.number > b.tail.number : isAfter(a.tail, b.tail);
  let best: Known | undefined;
  for (const survey of candidates) {
    const more = best === undefined ? 1 : votes(survey) - votes(best);
    if (best === undefined || more > 0 || (more === 0 && further(survey, best))) best = survey;
  }
  return best;
}

/** Those whose log is the winner's and who count by it. */
export function countedBy(winner: Known, known: readonly Known[]): Known[] {
  return known.filter(
    ({ claim }) => claim.history === winner.claim.history && winner.members.includes(claim.member),
  );
}

/** Without those of histories that are given up. */
export function withoutFormer(known: readonly Known[], bug?: JournalBug): readonly Known[] {
  if (bug === "no-history") return known;
  return known.filter((survey) => !known.some(({ claim }) => claim.former.includes(survey.claim.history)));
}
