import { join } from "node:path";
import Sqlite from "better-sqlite3";
import pg from "pg";
import { CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { NamedReplicas } from "./checks";

const question = `select volume_id, count(*) as replicas from copies where state <> ${CopyState.CONDEMNED} group by volume_id`;

/** Counted in the SQLite file of an embedded store, beside the running process. */
export function namedInSqlite(data: string): NamedReplicas {
  return async () => {
    const file = new Sqlite(join(data, "state", "metadata.db"), { readonly: true });
    try {
      return toMap(file.prepare(question).all() as Row[]);
    } finally {
      file.close();
    }
  };
}

/** Counted in the metadata service's schema of a PostgreSQL database. */
export function namedInPostgres(url: string): NamedReplicas {
  return async () => {
    const client = new pg.Client({ connectionString: url, options: "-c search_path=metadata" });
    await client.connect();
    try {
      return toMap((await client.query<Row>(question)).rows);
    } finally {
      await client.end();
    }
  };
}

type Row = { volume_id: string; replicas: number | string };

function toMap(rows: readonly Row[]): ReadonlyMap<string, number> {
  return new Map(rows.map((row) => [row.volume_id, Number(row.replicas)]));
}
