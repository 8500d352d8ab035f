import type { Statement as Prepared } from "better-sqlite3";
import type { SqliteStatement } from "kysely";
import type { SqlValue, Statement } from "../journal/statements";
import { withRowObjects } from "./row-objects";

/** Notes the statements of a connection that changed something, in order. One that failed changed nothing. */
export class StatementRecorder {
  #statements: Statement[] = [];

  /** Begins anew: what was noted belongs to a transaction that is over. */
  clear(): void {
    this.#statements = [];
  }

  take(): readonly Statement[] {
    const statements = this.#statements;
    this.#statements = [];
    return statements;
  }

  /** A prepared statement, noted whenever it has run. BEGIN and COMMIT are no changes to SQLite. */
  watch(sql: string, prepared: Prepared<unknown[]>): SqliteStatement {
    const statement = withRowObjects(prepared);
    if (prepared.readonly) return statement;
    const note = (parameters: readonly unknown[]) => {
      if (!prepared.database.inTransaction)
        throw new Error(`a change outside a transaction would be missing in the journal: ${sql}`);
      this.#statements.push({ sql, parameters: parameters as readonly SqlValue[] });
    };
    return {
      reader: statement.reader,
      all: (parameters) => {
        const rows = statement.all(parameters);
        note(parameters);
        return rows;
      },
      run: (parameters) => {
        const result = statement.run(parameters);
        note(parameters);
        return result;
      },
      iterate: function* (parameters) {
        yield* statement.all(parameters);
        note(parameters);
      },
    };
  }
}
