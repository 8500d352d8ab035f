import { chmodSync } from "node:fs";
import SqliteFile from "better-sqlite3";
import { Kysely, SqliteDialect, type SqliteStatement, sql } from "kysely";
import { CairnError } from "../errors/cairn-error";
import type { Database, Run, SqliteSync } from "./database";
import { withRowObjects } from "./row-objects";
import { runTransaction } from "./run-transaction";
import { walSyncOf } from "./wal-sync";

/** Distinct statements kept prepared; preparing costs more than running a small one. */
const preparedStatements = 512;

const pragmaOf = { FULL: "FULL", BEHIND: "NORMAL", OFF: "OFF" } as const;

/**
 * SQLite with two connections: one that writes, one that only reads and so never sees what is not committed (I11).
 * `synchronous` is set explicitly: the compiled default in WAL mode loses acknowledged commits on power loss.
 */
export function openSqlite<Tables>(path: string, synchronous: SqliteSync = "FULL"): Database<Tables> {
  const memory = path === ":memory:";
  const behind = synchronous === "BEHIND" && !memory ? walSyncOf(path) : undefined;
  const writer = connect<Tables>(path, pragmaOf[synchronous]);
  const reader = memory ? writer : connect<Tables>(path, "readonly");
  // Keys' HMACs and the like: nobody but the owner reads the file.
  if (!memory) chmodSync(path, 0o600);
  return {
    kind: "sqlite",
    db: reader.db,
    run: reader.run,
    writer: writer.db,
    transaction: (work) =>
      runTransaction(
        {
          begin: async () => {
            behind?.throwIfFailed();
            return writer.db.startTransaction().execute();
          },
          commit: (trx) => {
            const commit = () => trx.commit().execute();
            return behind === undefined ? commit() : behind.commit(commit);
          },
          rollback: (trx) => trx.rollback().execute(),
          toError,
        },
        (trx) => work(trx, writer.run),
      ),
    settled: () => behind?.settled(),
    ping: async () => {
      behind?.throwIfFailed();
      await sql`select 1`.execute(reader.db);
    },
    close: async () => {
      // The last one to close folds the log into the file, which only the writer may.
      if (reader !== writer) await reader.close();
      await writer.close();
      await behind?.close();
    },
  };
}

function connect<Tables>(
  file: string,
  mode: "FULL" | "NORMAL" | "OFF" | "readonly",
): { db: Kysely<Tables>; run: Run; close(): Promise<void> } {
  const connection = new SqliteFile(file, { readonly: mode === "readonly" });
  connection.pragma("busy_timeout = 5000");
  if (mode !== "readonly") {
    connection.pragma("journal_mode = WAL");
    connection.pragma(`synchronous = ${mode}`);
    connection.pragma("foreign_keys = ON");
    // 32 MiB of log: a checkpoint writes each page once, however often it was changed, and syncs on this thread.
    connection.pragma("wal_autocheckpoint = 8000");
  }
  connection.pragma("cache_size = -65536");
  const statements = new Map<string, SqliteStatement>();
  const prepare = (sql: string): SqliteStatement => {
    const known = statements.get(sql);
    if (known !== undefined) return known;
    const statement = withRowObjects(connection.prepare<unknown[]>(sql));
    const oldest = statements.size >= preparedStatements ? statements.keys().next().value : undefined;
    if (oldest !== undefined) statements.delete(oldest);
    statements.set(sql, statement);
    return statement;
  };
  const db = new Kysely<Tables>({
    dialect: new SqliteDialect({ database: { prepare, close: () => connection.close() } }),
  });
  return {
    db,
    close: async () => {
      await db.destroy();
      // Kysely does not close what it never used.
      connection.close();
    },
    run: <R>(query: { sql: string }, parameters: readonly unknown[]): R[] => {
      try {
        const statement = prepare(query.sql);
        if (statement.reader) return statement.all(parameters) as R[];
        statement.run(parameters);
        return [];
      } catch (error) {
        throw toError(error);
      }
    },
  };
}

function toError(thrown: unknown): unknown {
  const code = thrown instanceof SqliteFile.SqliteError ? thrown.code : "";
  const away =
    code.startsWith("SQLITE_IOERR") ||
    code === "SQLITE_FULL" ||
    code === "SQLITE_CANTOPEN" ||
    code === "SQLITE_READONLY";
  return away
    ? new CairnError("DATABASE_UNAVAILABLE", { message: `SQLite failed: ${code}`, cause: thrown })
    : thrown;
}
