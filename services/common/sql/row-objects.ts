import type { Statement } from "better-sqlite3";
import type { SqliteStatement } from "kysely";

type Row = Record<string, unknown>;

/**
 * A prepared statement whose rows become objects here and not in the driver: setting each column through V8's C++
 * interface costs more than SQLite's work for a row, so the driver gives arrays.
 */
export function withRowObjects(statement: Statement<unknown[]>): SqliteStatement {
  const reader = statement.reader;
  if (reader) statement.raw();
  let names: string[] = [];
  const toObject = (values: unknown[]): Row => {
    // A statement outlives changes of the schema: `select *` then has other columns.
    if (names.length !== values.length) names = statement.columns().map((column) => column.name);
    const row: Row = {};
    for (let index = 0; index < values.length; index += 1) row[names[index] as string] = values[index];
    return row;
  };
  return {
    reader,
    all: (parameters) => (statement.all(...parameters) as unknown[][]).map(toObject),
    run: (parameters) => statement.run(...parameters),
    iterate: function* (parameters) {
      for (const values of statement.iterate(...parameters)) yield toObject(values as unknown[]);
    },
  };
}
