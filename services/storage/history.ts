import { CairnError } from "../common/errors/cairn-error";

/** A point of a metadata history (P7), as a volume remembers it. */
export type HistoryPosition = {
  readonly clusterId: string;
  readonly historyId: string;
  readonly changeNumber: bigint;
  readonly changeCommandId: string;
  readonly markNumber: bigint;
  readonly markCommandId: string;
};

/**
 * What the volume remembers after it was told where the history is. It takes the first one told; a position behind
 * its memory, as one of two metadata processes may tell, changes nothing. `accept`, an operator's word, takes any.
 * HISTORY_MISMATCH: another cluster or history, or another command under the same number.
 */
export function follow(
  remembered: HistoryPosition | undefined,
  told: HistoryPosition,
  accept: boolean,
): HistoryPosition {
  if (remembered === undefined || accept) return told;
  requireSameHistory(remembered, told);
  if (told.changeNumber === remembered.changeNumber && told.changeCommandId !== remembered.changeCommandId)
    throw mismatch(`change ${told.changeNumber} is another command`);
  if (told.markNumber === remembered.markNumber && told.markCommandId !== remembered.markCommandId)
    throw mismatch(`mark ${told.markNumber} is another command`);
  return later(remembered, told);
}

/**
 * What the volume remembers when a delete is allowed, else HISTORY_MISMATCH (P7): the metadata service must have
 * confirmed exactly what the volume remembers. A memory that equals `current` is a confirmation too, and what a
 * repeated request finds.
 */
export function allowDelete(
  remembered: HistoryPosition | undefined,
  confirmed: HistoryPosition,
  current: HistoryPosition,
): HistoryPosition {
  if (remembered === undefined) throw mismatch("the volume follows none yet");
  requireSameHistory(remembered, current);
  if (equal(remembered, current)) return remembered;
  if (!equal(remembered, confirmed))
    throw mismatch(`the volume remembers change ${remembered.changeNumber}, which was not the one confirmed`);
  if (current.changeNumber < remembered.changeNumber)
    throw mismatch(`change ${current.changeNumber} lies before change ${remembered.changeNumber}`);
  return later(remembered, current);
}

/** The farther of the two positions of one history; changes and marks each for themselves. */
function later(a: HistoryPosition, b: HistoryPosition): HistoryPosition {
  const change = b.changeNumber > a.changeNumber ? b : a;
  const mark = b.markNumber > a.markNumber ? b : a;
  return {
    clusterId: a.clusterId,
    historyId: a.historyId,
    changeNumber: change.changeNumber,
    changeCommandId: change.changeCommandId,
    markNumber: mark.markNumber,
    markCommandId: mark.markCommandId,
  };
}

export function equal(a: HistoryPosition, b: HistoryPosition): boolean {
  return (
    a.clusterId === b.clusterId &&
    a.historyId === b.historyId &&
    a.changeNumber === b.changeNumber &&
    a.changeCommandId === b.changeCommandId &&
    a.markNumber === b.markNumber &&
    a.markCommandId === b.markCommandId
  );
}

function requireSameHistory(remembered: HistoryPosition, told: HistoryPosition): void {
  if (remembered.clusterId !== told.clusterId)
    throw mismatch(`the volume belongs to cluster ${remembered.clusterId}, not to ${told.clusterId}`);
  if (remembered.historyId !== told.historyId)
    throw mismatch(`the volume follows history ${remembered.historyId}, not ${told.historyId}`);
}

function mismatch(what: string): CairnError {
  return new CairnError("HISTORY_MISMATCH", {
    message: `The histories differ: ${what}.`,
    hint: "Was the metadata database restored or replaced? An operator must say which history is true.",
  });
}
