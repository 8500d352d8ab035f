import { newId } from "../common/ids/uuid";
import { startWorker, type Worker } from "../common/lifecycle/worker";
import type { Logger } from "../common/log/logger";
import type { Database } from "../common/sql/database";
import type { Clock } from "../common/time/clock";
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
export function startRateSharing(options: {
  readonly database: Database<IdentityTables>;
  readonly rates: Rates;
  readonly clock: Clock;
  readonly log: Logger;
  readonly everyMs: number;
  /** Throws while the schema is not there yet. */
  readonly ready: () => unknown;
}): Worker {
  const { database, rates, clock, log, everyMs, ready } = options;
  const processId = newId();
  let cleanedWindow = 0;
  const step = async () => {
    ready();
    const changed = rates.takeChanged(rowsAStep);
    await write(database, changed, processId).catch((error) => {
      rates.putBack(changed);
      throw error;
    });
    rates.setOthers(await readOthers(database, rates.currentWindow(), processId));
    if (cleanedWindow !== rates.currentWindow()) {
      await forgetOld(database, rates.currentWindow());
      cleanedWindow = rates.currentWindow();
    }
    return changed.length >= rowsAStep;
  };
  return startWorker({ name: "identity-rates", clock, log, idleMs: everyMs, step });
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
    .select(({ fn }) => ["subject", "window_minute", fn.sum<number>("requests").as("total")])
    .where("window_minute", ">=", window - 1)
    .where("process_id", "!=", processId)
    .groupBy(["window_minute", "subject"])
    // Where there are too many, the busiest are those that a limit is for.
    .orderBy("total", "desc")
    .limit(rowsAStep)
    .execute();
  return rows.map((row) => ({
    subject: row.subject,
    window: row.window_minute,
    requests: Number(row.total),
  }));
}

/** Removes the minutes that nobody asks for any more. */
async function forgetOld(database: Database<IdentityTables>, window: number): Promise<void> {
  await database.transaction((trx) =>
    trx
      .deleteFrom("rate_counts")
      .where("window_minute", "<", window - 5)
      .execute(),
  );
}
