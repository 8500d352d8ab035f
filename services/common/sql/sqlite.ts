import { chmodSync } from "node:fs";
import SqliteFile from "better-sqlite3";
import { type Driver, Kysely, SqliteAdapter, SqliteDialect, type SqliteStatement, sql } from "kysely";
import { CairnError } from "../errors/cairn-error";
import type { Database, DatabaseConfig, Run } from "./database";
import { JournalledConnection } from "./journalled";
import { withRowObjects } from "./row-objects";
import { runTransaction } from "./run-transaction";
import { StatementRecorder } from "./statement-recorder";
import { walSyncOf } from "./wal-sync";

/** Distinct statements kept prepared; preparing costs more than running a small one. */
const preparedStatements = 512;

/** The journal's records are durable before the commit: a power cut may cost SQLite a tail, never a page. */
const pragmaOf = { FULL: "FULL", BEHIND: "NORMAL", OFF: "OFF", JOURNALLED: "NORMAL" } as const;

/**
 * SQLite with two connections: one that writes, one that only reads and so never sees what is not committed (I11).
 * `synchronous` is set explicitly: the compiled default in WAL mode loses acknowledged commits on power loss.
 */
export async function openSqlite<Tables>(
  config: Extract<DatabaseConfig, { kind: "sqlite" }>,
): Promise<Database<Tables>> {
  const { path, journal } = config;
  const synchronous = journal === undefined ? (config.synchronous ?? "FULL") : "JOURNALLED";
  const memory = path === ":memory:";
  const behind = synchronous === "BEHIND" && !memory ? walSyncOf(path) : undefined;
  await journal?.prepare(path);
  let replayed = () => {};
  const recorder = journal === undefined ? undefined : new StatementRecorder();
  const writer = connect<Tables>(path, pragmaOf[synchronous], recorder);
  if (journal !== undefined && recorder !== undefined) {
    const inStep = new JournalledConnection(journal, writer.connection, recorder, () => replayed());
    await inStep.catchUp().catch((error) => {
      writer.connection.close();
      throw error;
    });
    writer.hooks.inStep = inStep;
    journal.opened({
      name: journal.name,
      path,
      advance: (position) =>
        writer.db.connection().execute(async () => {
          // What another epoch took up comes before it.
          await inStep.beforeBegin();
          inStep.note(position);
        }),
      hold: (work) => writer.db.connection().execute(work),
    });
  }
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
    onReplay: (listener) => {
      replayed = listener;
    },
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

/** What every transaction of a connection goes through, once it follows a journal. */
type Hooks = { inStep?: JournalledConnection };

type Connection<Tables> = {
  readonly db: Kysely<Tables>;
  readonly run: Run;
  readonly connection: SqliteFile.Database;
  readonly hooks: Hooks;
  close(): Promise<void>;
};

function connect<Tables>(
  file: string,
  mode: "FULL" | "NORMAL" | "OFF" | "readonly",
  recorder?: StatementRecorder,
): Connection<Tables> {
  const hooks: Hooks = {};
  const connection = new SqliteFile(file, { readonly: mode === "readonly" });
  connection.pragma("busy_timeout = 5000");
  if (mode !== "readonly") {
    connection.pragma("journal_mode = WAL");
    connection.pragma(`synchronous = ${mode}`);
    connection.pragma("foreign_keys = ON");
    // 32 MiB of log: a checkpoint writes each page once, however often it was changed, and syncs on this thread.
    // With a journal its keeper does that in another thread; this is for when it cannot.
    connection.pragma(`wal_autocheckpoint = ${recorder === undefined ? 8_000 : 64_000}`);
  }
  connection.pragma("cache_size = -65536");
  const statements = new Map<string, SqliteStatement>();
  const prepare = (sql: string): SqliteStatement => {
    const known = statements.get(sql);
    if (known !== undefined) return known;
    const prepared = connection.prepare<unknown[]>(sql);
    const statement = recorder?.watch(sql, prepared) ?? withRowObjects(prepared);
    const oldest = statements.size >= preparedStatements ? statements.keys().next().value : undefined;
    if (oldest !== undefined) statements.delete(oldest);
    statements.set(sql, statement);
    return statement;
  };
  const db = new Kysely<Tables>({
    dialect: new HookedDialect({ database: { prepare, close: () => connection.close() } }, hooks),
  });
  return {
    db,
    connection,
    hooks,
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

/** SQLite's dialect whose transactions, a migration's too, wait for the journal where the hooks name one. */
class HookedDialect extends SqliteDialect {
  readonly #hooks: Hooks;

  constructor(config: ConstructorParameters<typeof SqliteDialect>[0], hooks: Hooks) {
    super(config);
    this.#hooks = hooks;
  }

  /** SQLite's DDL is transactional, whatever Kysely says: a migration is a transaction, and so travels whole. */
  override createAdapter(): SqliteAdapter {
    return new TransactionalDdl();
  }

  override createDriver(): Driver {
    const driver = super.createDriver();
    const begin = driver.beginTransaction.bind(driver);
    const commit = driver.commitTransaction.bind(driver);
    driver.beginTransaction = async (connection, settings) => {
      await this.#hooks.inStep?.beforeBegin();
      await begin(connection, settings);
    };
    driver.commitTransaction = async (connection) => {
      const { inStep } = this.#hooks;
      await inStep?.beforeCommit();
      try {
        await commit(connection);
      } catch (error) {
        inStep?.commitFailed();
        throw error;
      }
    };
    return driver;
  }
}

class TransactionalDdl extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

function toError(thrown: unknown): unknown {
  const code = thrown instanceof SqliteFile.SqliteError ? thrown.code : "";
  const away =
    code.startsWith("SQLITE_IOERR") ||
    code === "SQLITE_FULL" ||
    code === "SQLITE_CANTOPEN" ||
    code === "SQLITE_READONLY";
  if (!away) return thrown;
  const message = code === "SQLITE_FULL" ? "The disk of the database is full." : `SQLite failed: ${code}`;
  return new CairnError("DATABASE_UNAVAILABLE", { message, cause: thrown });
}
