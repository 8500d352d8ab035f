import { type Kysely, type Migration, sql } from "kysely";

/** Names are compared as bytes on both engines. */
export function usersAndKeys(kind: "sqlite" | "postgres"): Migration {
  const nameType = kind === "postgres" ? sql`text collate "C"` : sql`text`;
  return {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable("users")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("name", nameType, (c) => c.notNull().unique())
        .addColumn("admin", "integer", (c) => c.notNull())
        .addColumn("created_at_ms", "bigint", (c) => c.notNull())
        .execute();
      await db.schema
        .createTable("api_keys")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("user_id", "text", (c) => c.notNull().references("users.id"))
        .addColumn("name", "text", (c) => c.notNull())
        .addColumn("digest", "text", (c) => c.notNull().unique())
        .addColumn("permissions", "text", (c) => c.notNull())
        .addColumn("buckets", "text", (c) => c.notNull())
        .addColumn("grants_everything", "integer", (c) => c.notNull())
        .addColumn("created_at_ms", "bigint", (c) => c.notNull())
        .addColumn("expires_at_ms", "bigint", (c) => c.notNull())
        .addColumn("last_used_at_ms", "bigint", (c) => c.notNull())
        .addColumn("revoked_at_ms", "bigint", (c) => c.notNull())
        .addColumn("requests_per_minute", "integer", (c) => c.notNull())
        .execute();
      await db.schema.createIndex("api_keys_by_user").on("api_keys").columns(["user_id", "id"]).execute();
      await db.schema
        .createTable("s3_key_pairs")
        .addColumn("access_key_id", "text", (c) => c.primaryKey())
        .addColumn("user_id", "text", (c) => c.notNull().references("users.id"))
        .addColumn("name", "text", (c) => c.notNull())
        .addColumn("sealed_secret", "text", (c) => c.notNull())
        .addColumn("created_at_ms", "bigint", (c) => c.notNull())
        .addColumn("revoked_at_ms", "bigint", (c) => c.notNull())
        .execute();
      await db.schema
        .createIndex("s3_key_pairs_by_user")
        .on("s3_key_pairs")
        .columns(["user_id", "created_at_ms"])
        .execute();
      await db.schema
        .createTable("wrapped_keys")
        .addColumn("purpose", "text", (c) => c.primaryKey())
        .addColumn("sealed", "text", (c) => c.notNull())
        .addColumn("created_at_ms", "bigint", (c) => c.notNull())
        .execute();
      await db.schema
        .createTable("first_start")
        .addColumn("id", "integer", (c) => c.primaryKey())
        .addColumn("at_ms", "bigint", (c) => c.notNull())
        .execute();
      await db.schema
        .createTable("rate_counts")
        .addColumn("window_minute", "bigint", (c) => c.notNull())
        .addColumn("process_id", "text", (c) => c.notNull())
        .addColumn("subject", "text", (c) => c.notNull())
        .addColumn("requests", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("rate_counts_key", ["window_minute", "process_id", "subject"])
        .execute();
    },
  };
}
