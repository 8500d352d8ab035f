import type { CompiledQuery, Kysely } from "kysely";
import type { JournalPlace } from "./journalled";

export type SqliteSync = "FULL" | "BEHIND" | "OFF";

export type DatabaseConfig =
  | {
      readonly kind: "sqlite";
      /** A file; ":memory:" for tests that need no durability. */
      readonly path: string;
      /**
       * FULL, the default: a commit blocks the thread until it is synced. BEHIND: it is synced off the thread, and
       * whoever reads must wait for `settled`. OFF loses acknowledged commits at a power cut: only for a control that
       * must show just that.
       */
      readonly synchronous?: SqliteSync;
      /**
       * What makes its transactions durable instead (P5): each is synced in two folders before it is committed and
       * seen. The file is then never synced by a commit, and made anew where it was lost.
       */
      readonly journal?: JournalPlace;
    }
  | {
      readonly kind: "postgres";
      readonly url: string;
      /** Each service has a schema of its own, made on start. */
      readonly schema: string;
      /** Default 10. */
      readonly maxConnections?: number;
    };

/**
 * Runs a compiled query with these parameters, past Kysely's executor: on SQLite it has run when this returns. On
 * PostgreSQL it has been sent, prepared under a name: queries of one transaction travel without waiting for each
 * other and are answered in order. A failure there spoils the transaction; whoever does not await hears of it at the
 * next answer.
 */
export type Run = <R>(query: CompiledQuery<R>, parameters: readonly unknown[]) => R[] | Promise<R[]>;

/** One service's own tables on either engine. The same Kysely queries run on both. */
export type Database<Tables> = {
  readonly kind: "sqlite" | "postgres";
  /** Reads outside a transaction. Throws CairnError DATABASE_UNAVAILABLE when the engine cannot be reached. */
  readonly db: Kysely<Tables>;
  /** The same reads by the short way. */
  readonly run: Run;
  /** The connection that transactions use; for migrations alone. */
  readonly writer: Kysely<Tables>;
  /**
   * Runs `work` in a transaction that is durable when this resolves (SQLite: WAL, synced; PostgreSQL:
   * READ COMMITTED with synchronous_commit=on). SQLite: one at a time, in order of arrival. Throws what `work`
   * throws, after rolling back; DATABASE_UNAVAILABLE when the engine is away. When the connection is lost during
   * COMMIT the outcome is unknown: OUTCOME_UNKNOWN.
   */
  transaction<T>(work: (trx: Kysely<Tables>, run: Run) => Promise<T>): Promise<T>;
  /**
   * What a reader waits for before it tells what it saw, so that nothing visible is undone (I11): undefined when
   * every commit that it can have seen is durable. Rejects with DATABASE_UNAVAILABLE after a sync that failed.
   */
  settled(): Promise<void> | undefined;
  /**
   * Calls back whenever something was applied that no transaction of this process did: its outcome was unknown, and the
   * journal had it. SQLite by a journal alone.
   */
  onReplay?(listener: () => void): void;
  /** Throws when the database does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
};
