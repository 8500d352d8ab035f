import { type Kysely, type Migration, sql } from "kysely";

/** What healing remembers: volumes that are emptied or gone for good, and how far each walk over a volume is. */
export function healing(kind: "sqlite" | "postgres"): Migration {
  const tail = kind === "sqlite" ? "without rowid" : "";
  const text = kind === "sqlite" ? "text not null" : 'text collate "C" not null';
  const int = "bigint not null";
  const statements = [
    "alter table volumes add column draining_at_ms bigint",
    "alter table volumes add column removed_at_ms bigint",
    `create table walks (kind ${int}, volume_id ${text}, after_blob_id ${text}, started_at_ms ${int},
      updated_at_ms ${int}, finished_at_ms bigint, due_at_ms bigint, holder_id ${text}, held_until_ms ${int},
      running ${int}, hasty ${int}, checked ${int}, changed ${int}, waiting ${int}, bytes ${int}, total ${int},
      primary key (kind, volume_id)) ${tail}`,
  ];
  return {
    up: async (db: Kysely<unknown>) => {
      for (const statement of statements) await sql.raw(statement).execute(db);
    },
  };
}
