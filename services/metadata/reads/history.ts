import { type Kysely, sql } from "kysely";
import type { HistoryPosition } from "../../../gen/cairn/storage/v1/storage_pb";
import { newId } from "../../common/ids/uuid";
import { lastDrawn } from "../commit/numbers";
import { lastForgotten } from "../store/forgotten-change";
import type { Runner } from "../store/statement";
import type { Tables } from "../store/tables";

type Position = Omit<HistoryPosition, "$typeName" | "$unknown">;

/**
 * Makes the ids of cluster and history once; run in a transaction at start. A history that an operator's word began
 * (P5) is another one from then on: no volume that followed the former takes its deletes unasked (P7).
 */
export async function makeIdentity(db: Kysely<Tables>, acceptedHistory?: string): Promise<void> {
  for (const name of ["cluster_id", "history_id"])
    await db
      .insertInto("facts")
      .values({ name, value: newId() })
      .onConflict((oc) => oc.doNothing())
      .execute();
  if (acceptedHistory !== undefined)
    await db
      .updateTable("facts")
      .set({ value: acceptedHistory })
      .where("name", "=", "history_id")
      .where("value", "!=", acceptedHistory)
      .execute();
}

/** Where this history is now: its last change and last mark (P7). */
export async function currentPosition(runner: Runner): Promise<Position> {
  const facts = await runner.db.selectFrom("facts").selectAll().execute();
  const fact = (name: string) => facts.find((row) => row.name === name)?.value ?? "";
  const kept = await runner.db
    .selectFrom("changes")
    .select(["number", "command_id"])
    .orderBy("number", "desc")
    .limit(1)
    .executeTakeFirst();
  // The bucket of the newest changes may be gone, and its log with it; the history has been there all the same.
  const forgotten = await lastForgotten(runner);
  const change = (forgotten?.number ?? 0) > (kept?.number ?? 0) ? forgotten : kept;
  const mark = await runner.db
    .selectFrom("marks")
    .select(["number", "command_id"])
    .orderBy("number", "desc")
    .limit(1)
    .executeTakeFirst();
  return {
    clusterId: fact("cluster_id"),
    historyId: runner.kind === "sqlite" ? fact("history_id") : await postgresHistory(runner),
    changeNumber: BigInt(change?.number ?? 0),
    changeCommandId: change?.command_id ?? "",
    markNumber: BigInt(mark?.number ?? 0),
    markCommandId: mark?.command_id ?? "",
  };
}

/** Asked each time: a fail-over changes the timeline under a running process. The WAL's name has it at once. */
async function postgresHistory(runner: Runner): Promise<string> {
  const { rows } = await sql<{ history: string }>`
    select system_identifier::text || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) as history
    from pg_control_system()`.execute(runner.db);
  return rows[0]?.history ?? "";
}

/** Why a remembered position does not lie on this history; undefined when it does (P7). */
export async function historyConflict(
  runner: Runner,
  remembered: Position,
  current: Position,
): Promise<string | undefined> {
  if (remembered.clusterId !== current.clusterId)
    return `The volume belongs to cluster ${remembered.clusterId || "(none)"}, this is ${current.clusterId}.`;
  if (remembered.historyId !== current.historyId)
    return `The volume follows history ${remembered.historyId || "(none)"}, this is ${current.historyId}.`;
  const markNumber = Number(remembered.markNumber);
  if (markNumber > 0) {
    const mark = await runner.db
      .selectFrom("marks")
      .select("command_id")
      .where("number", "=", markNumber)
      .executeTakeFirst();
    if (mark?.command_id !== remembered.markCommandId)
      return `Mark ${markNumber} (${remembered.markCommandId}) is not of this history.`;
  }
  const changeNumber = Number(remembered.changeNumber);
  if (changeNumber === 0) return undefined;
  const change = await runner.db
    .selectFrom("changes")
    .select("command_id")
    .where("number", "=", changeNumber)
    .executeTakeFirst();
  if (change !== undefined)
    return change.command_id === remembered.changeCommandId
      ? undefined
      : `Change ${changeNumber} is ${change.command_id} here, not ${remembered.changeCommandId}.`;
  const forgotten = await lastForgotten(runner);
  if (forgotten?.number === changeNumber && forgotten.command_id !== remembered.changeCommandId)
    return `Change ${changeNumber} was ${forgotten.command_id} here, not ${remembered.changeCommandId}.`;
  // Purged: then the mark, which is kept for ever, is the witness.
  const purged = await runner.db
    .selectFrom("counters")
    .select("value")
    .where("name", "=", "changes_purged_through")
    .executeTakeFirst();
  const witnessed = markNumber > 0 && changeNumber <= (purged?.value ?? 0);
  if (witnessed && changeNumber <= (await lastDrawn(runner))) return undefined;
  return `Change ${changeNumber} (${remembered.changeCommandId}) is not of this history.`;
}
