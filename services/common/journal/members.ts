import type { LogRecord } from "./record";

/** The folders that a record says count from there on; undefined when it says nothing of them. */
export function membersOf({ kind, body }: Pick<LogRecord, "kind" | "body">): readonly string[] | undefined {
  if (kind !== "epoch" && kind !== "members") return undefined;
  return (JSON.parse(body.toString()) as { members: string[] }).members;
}

/** Folders that carry the journal. */
export const memberCount = 3;
/** Of them, how many must hold a record before it counts, and be found by a start. */
export const quorum = 2;
