import type { Database, DatabaseConfig } from "./database";
import { openPostgres } from "./postgres";
import { openSqlite } from "./sqlite";

/**
 * Opens one service's database. SQLite opens at once or throws; PostgreSQL connects when it is first asked, so that
 * a database that is down at start is an unavailable dependency and not a crash.
 */
export async function openDatabase<Tables>(config: DatabaseConfig): Promise<Database<Tables>> {
  return config.kind === "sqlite" ? openSqlite<Tables>(config) : openPostgres<Tables>(config);
}
