import { type Kysely, sql } from "kysely";
import type { Runner } from "../store/statement";
import { statement } from "../store/statement";
import type { Tables } from "../store/tables";
import type { Batch } from "./batch";

/**
 * Numbers of commands: one order over all processes, per key the order of the commits.
 *
 * PostgreSQL: a sequence. A reader of the log must not pass a number below which a transaction is open (P4): before a
 * batch draws numbers it holds an advisory lock that names the sequence's value at that moment, so all its numbers
 * are greater. `horizon` reads the value first and those locks after it: whoever drew a number up to that value held
 * its lock by then, and either still does or has ended and is visible to the statement that follows.
 */
const lockBase = 1n << 61n;

const counter = statement<Record<never, never>>()((db) =>
  db.selectFrom("counters").select("value").where("name", "=", "numbers"),
);
const setCounter = statement<{ value: number }>()((db, mark) =>
  db
    .updateTable("counters")
    .set({ value: mark("value") })
    .where("name", "=", "numbers"),
);

const holdHorizon = statement<Record<never, never>>()((db) => ({
  compile: () =>
    sql`select pg_advisory_xact_lock_shared(${sql.lit(lockBase.toString())}::bigint +
    (select case when is_called then last_value else 0 end from numbers))`.compile(db),
}));
const nextNumbers = statement<{ count: number }>()<{ number: number }>((db, mark) => ({
  compile: () =>
    sql<{ number: number }>`
    select nextval('numbers') as number from generate_series(1, ${mark("count")}::int)`.compile(db),
}));

/** Draws a number for each command of a batch, ascending. Locks on names are held by now. */
export async function drawNumbers(batch: Batch, count: number): Promise<number[]> {
  if (batch.kind === "sqlite") {
    const last = (await counter(batch, {}))[0]?.value ?? 0;
    return Array.from({ length: count }, (_, index) => last + 1 + index);
  }
  // Sent together, run one after the other: the lock is held when the first number is drawn.
  batch.write(holdHorizon(batch, {}));
  const rows = await nextNumbers(batch, { count });
  return rows.map((row) => row.number).sort((a, b) => a - b);
}

/** SQLite keeps the last number drawn with the changes; PostgreSQL's sequence keeps itself. */
export function keepNumber(batch: Batch, last: number): void {
  if (batch.kind === "sqlite") batch.write(setCounter(batch, { value: last }));
}

/** The highest number that no open transaction can still come below. */
export async function horizon(runner: Runner): Promise<number> {
  if (runner.kind === "sqlite") return Number.MAX_SAFE_INTEGER;
  const last = await lastDrawn(runner);
  const { rows } = await sql<{ lowest: number | null }>`
    select min((classid::bigint << 32 | objid::bigint) - ${lockBase.toString()}::bigint) as lowest
    from pg_locks
    where locktype = 'advisory' and objsubid = 1 and granted
      and database = (select oid from pg_database where datname = current_database())
      and (classid::bigint >> 29) & 7 = 1`.execute(runner.db);
  return Math.min(last, rows[0]?.lowest ?? last);
}

/** The last number that was drawn, whether or not its transaction ended. */
export async function lastDrawn(runner: { kind: string; db: Kysely<Tables> }): Promise<number> {
  const { rows } =
    runner.kind === "sqlite"
      ? await sql<{ value: number }>`select value from counters where name = 'numbers'`.execute(runner.db)
      : await sql<{ value: number }>`
          select case when is_called then last_value else 0 end as value from numbers`.execute(runner.db);
  return rows[0]?.value ?? 0;
}
