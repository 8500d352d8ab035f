import { chmodSync } from "node:fs";
import SqliteFile from "better-sqlite3";
import { Kysely, SqliteDialect, type SqliteStatement, sql } from "kysely";
import { CairnError } from "../errors/cairn-error";
import type { Database } from "./database";
import { runTransaction } from "./run-transaction";

/** Distinct statements kept prepared; preparing costs more than running a small one. */
const preparedStatements = 512;

/**
 * SQLite with two connections: one that writes, one that only reads and so never sees what is not committed (I11).
 * `synchronous` is set explicitly: the compiled default in WAL mode loses acknowledged commits on power loss.
 */
export function openSqlite<Tables>(path: string, synchronous: "FULL" | "OFF" = "FULL"): Database<Tables> {
  const memory = path === ":memory:";
  const writer = connect(path, false);
  const reader = memory ? writer : connect(path, true);
  // Keys' HMACs and the like: nobody but the owner reads the file.
  if (!memory) chmodSync(path, 0o600);
  return {
    kind: "sqlite",
    db: reader,
    writer,
    transaction: (work) => runTransaction(writer, work, toError),
    ping: async () => {
      await sql`select 1`.execute(reader);
    },
    close: async () => {
      await writer.destroy();
      if (reader !== writer) await reader.destroy();
    },
  };

  function connect(file: string, readonly: boolean): Kysely<Tables> {
    const connection = new SqliteFile(file, { readonly });
    connection.pragma("busy_timeout = 5000");
    if (!readonly) {
      connection.pragma("journal_mode = WAL");
      connection.pragma(`synchronous = ${synchronous}`);
      connection.pragma("foreign_keys = ON");
    }
    connection.pragma("cache_size = -65536");
    const statements = new Map<string, SqliteStatement>();
    const prepare = (sql: string): SqliteStatement => {
      const known = statements.get(sql);
      if (known !== undefined) return known;
      const statement = connection.prepare(sql) as unknown as SqliteStatement;
      const oldest = statements.size >= preparedStatements ? statements.keys().next().value : undefined;
      if (oldest !== undefined) statements.delete(oldest);
      statements.set(sql, statement);
      return statement;
    };
    return new Kysely<Tables>({
      dialect: new SqliteDialect({ database: { prepare, close: () => connection.close() } }),
    });
  }
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
