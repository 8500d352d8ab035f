import { sql } from "kysely";
import type { Runner } from "../store/statement";

/** Rows of each queue: repairs, deletes (blobs and pairs), deleted buckets whose remains are not purged. */
export async function queueDepths(
  runner: Runner,
): Promise<{ repairs: number; repairs_waiting: number; deletes: number; purges: number }> {
  const { rows } = await sql<{ repairs: number; repairs_waiting: number; deletes: number; purges: number }>`
    select (select count(*) from repair_queue) as repairs,
      (select count(*) from repair_queue where attempts > 1) as repairs_waiting, (select count(*) from delete_queue) as deletes,
      (select count(*) from buckets where deleted_at_ms is not null) as purges`.execute(runner.db);
  return rows[0] ?? { repairs: 0, repairs_waiting: 0, deletes: 0, purges: 0 };
}
