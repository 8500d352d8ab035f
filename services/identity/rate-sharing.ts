import type { Database } from "../common/sql/database";
import type { RateCount } from "./domain";
import type { Rates } from "./rates";
import type { IdentityTables } from "./tables";

const rowsAStatement = 1_000;
const rowsAStep = 20_000;

/**
 * Several identity processes on one PostgreSQL share their sums by a table, once a second and behind the requests: each
 * writes its own rows and reads the sums of the others'. When the database is away each goes on by itself (D§10).
 * With SQLite there is one process, and nothing to share.
 */
export async function shareRates(
  database: Database<IdentityTables>,
  rates: Rates,
  processId: string,
): Promise<boolean> {
  const changed = rates.takeChanged(rowsAStep);
  await write(database, changed, processId).catch((error) => {
    rates.putBack(changed);
    throw error;
  });
  rates.setOthers(await readOthers(database, rates.currentWindow(), processId));
  return changed.length >= rowsAStep;
}

async function write(
  database: Database<IdentityTables>,
  counts: readonly RateCount[],
  processId: string,
): Promise<void> {
  for (let start = 0; start < counts.length; start += rowsAStatement) {
    const rows = counts.slice(start, start + rowsAStatement).map((count) => ({
      window_minute: count.window,
      process_id: processId,
      subject: count.subject,
      requests: count.requests,
    }));
    await database.transaction((trx) =>
      trx
        .insertInto("rate_counts")
        .values(rows)
        .onConflict((conflict) =>
          conflict
            .columns(["window_minute", "process_id", "subject"])
            .doUpdateSet((row) => ({ requests: row.ref("excluded.requests") })),
        )
        .execute(),
    );
  }
}

async function readOthers(
  database: Database<IdentityTables>,
  window: number,
  processId: string,
): Promise<RateCount[]> {
  const rows = await database.db
    .selectFrom("rate_counts")
    .select(({ fn }) => ["subject", "window_minute", fn.sum<number>("requests").as("requests")])
    .where("window_minute", ">=", window - 1)
    .where("process_id", "!=", processId)
    .groupBy(["window_minute", "subject"])
    .limit(rowsAStep)
    .execute();
  return rows.map((row) => ({
    subject: row.subject,
    window: row.window_minute,
    requests: Number(row.requests),
  }));
}

/** Removes the minutes that nobody asks for any more. */
export async function forgetOldRates(database: Database<IdentityTables>, rates: Rates): Promise<void> {
  const oldest = rates.currentWindow() - 5;
  await database.transaction((trx) =>
    trx.deleteFrom("rate_counts").where("window_minute", "<", oldest).execute(),
  );
}
