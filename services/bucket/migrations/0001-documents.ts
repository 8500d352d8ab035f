import type { Kysely, Migration } from "kysely";

export function documents(kind: "sqlite" | "postgres"): Migration {
  return {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable("documents")
        .addColumn("bucket_id", "text", (c) => c.notNull())
        .addColumn("kind", "text", (c) => c.notNull())
        .addColumn("version", "bigint", (c) => c.notNull())
        .addColumn("body", kind === "postgres" ? "bytea" : "blob")
        .addColumn("changed_at_ms", "bigint", (c) => c.notNull())
        .addColumn("missing_since_ms", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("documents_key", ["bucket_id", "kind"])
        .execute();
    },
  };
}
