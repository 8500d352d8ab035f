import { type Kysely, type Migration, sql } from "kysely";

/**
 * The schema of P2 whole. Text compares as bytes: BINARY in SQLite, COLLATE "C" in PostgreSQL. SQLite's tables are
 * WITHOUT ROWID, so that a row lies in its primary key.
 */
export function first(kind: "sqlite" | "postgres"): Migration {
  const tail = kind === "sqlite" ? "without rowid" : "";
  const text = kind === "sqlite" ? "text not null" : 'text collate "C" not null';
  const bytes = kind === "sqlite" ? "blob not null" : "bytea not null";
  const int = "bigint not null";
  const statements = [
    `create table buckets (bucket_id ${text}, name ${text}, owner_id ${text}, created_at_ms ${int},
      versioning ${int}, quota_bytes ${int}, config_version ${int}, deleted_at_ms bigint,
      primary key (bucket_id)) ${tail}`,
    "create unique index bucket_names on buckets (name) where deleted_at_ms is null",
    "create index bucket_owners on buckets (owner_id, name) where deleted_at_ms is null",
    "create index deleted_buckets on buckets (deleted_at_ms) where deleted_at_ms is not null",

    `create table object_versions (bucket_id ${text}, key ${text}, sequence ${int}, version_id ${text},
      created_at_ms ${int}, removed_at_ms bigint, is_current ${int}, delete_marker ${int}, size_bytes ${int},
      etag ${text}, headers ${text}, checksums ${text}, primary key (bucket_id, key, sequence)) ${tail}`,
    // P4: one current version a key.
    "create unique index current_versions on object_versions (bucket_id, key) where is_current = 1",
    // A listing walks this one: superseded rows and delete markers are not in it.
    `create index listed_versions on object_versions (bucket_id, key)
      where is_current = 1 and delete_marker = 0`,
    // The null version of a key that newer versions hide: at most one.
    `create unique index hidden_null_versions on object_versions (bucket_id, key)
      where version_id = 'null' and is_current = 0 and removed_at_ms is null`,
    "create index removed_versions on object_versions (removed_at_ms) where removed_at_ms is not null",

    `create table extents (bucket_id ${text}, owner_sequence ${int}, start_bytes ${int}, blob_id ${text},
      offset_bytes ${int}, length_bytes ${int}, primary key (bucket_id, owner_sequence, start_bytes)) ${tail}`,
    "create index extents_by_blob on extents (blob_id)",
    `create table blobs (blob_id ${text}, size_bytes ${int}, crc32c ${int}, primary key (blob_id)) ${tail}`,
    `create table copies (blob_id ${text}, volume_id ${text}, state ${int}, condemned_at_ms bigint,
      confirmed_number bigint, primary key (blob_id, volume_id)) ${tail}`,
    "create index copies_by_volume on copies (volume_id, blob_id)",
    "create index condemned_copies on copies (condemned_at_ms) where condemned_at_ms is not null",

    `create table uploads (upload_id ${text}, bucket_id ${text}, key ${text}, created_at_ms ${int},
      expires_at_ms bigint, hidden ${int}, headers ${text}, primary key (upload_id)) ${tail}`,
    "create index uploads_by_key on uploads (bucket_id, key, upload_id)",
    "create index uploads_ending on uploads (expires_at_ms) where expires_at_ms is not null",
    `create table parts (upload_id ${text}, part_number ${int}, sequence ${int}, size_bytes ${int}, etag ${text},
      checksums ${text}, added_at_ms ${int}, primary key (upload_id, part_number)) ${tail}`,

    `create table nodes (node_id ${text}, address ${text}, zone ${text}, registered_at_ms ${int},
      primary key (node_id)) ${tail}`,
    `create table volumes (volume_id ${text}, node_id ${text}, fenced_at_ms bigint, fence_detail ${text},
      primary key (volume_id)) ${tail}`,

    `create table repair_queue (blob_id ${text}, due_at_ms ${int}, attempts ${int}, given_number bigint,
      primary key (blob_id)) ${tail}`,
    "create index repairs_due on repair_queue (due_at_ms)",
    `create table delete_queue (blob_id ${text}, volume_id ${text}, due_at_ms ${int},
      primary key (blob_id, volume_id)) ${tail}`,
    "create index deletes_due on delete_queue (due_at_ms)",
    `create table leases (lease_id ${text}, blob_id ${text}, expires_at_ms ${int},
      primary key (lease_id, blob_id)) ${tail}`,
    "create index leases_by_blob on leases (blob_id)",
    "create index leases_ending on leases (expires_at_ms)",

    `create table outcomes (command_id ${text}, outcome ${bytes}, primary key (command_id)) ${tail}`,
    `create table changes (number ${int}, command_id ${text}, bucket_id ${text}, key ${text}, version_id ${text},
      kind ${text}, at_ms ${int}, primary key (number)) ${tail}`,
    "create index changes_by_bucket on changes (bucket_id, number)",
    `create table change_horizons (bucket_id ${text}, gone_through ${int}, primary key (bucket_id)) ${tail}`,
    `create table marks (hour ${int}, number ${int}, command_id ${text}, primary key (hour)) ${tail}`,
    "create unique index mark_numbers on marks (number)",

    `create table usage (bucket_id ${text}, slot ${int}, objects ${int}, size_bytes ${int}, changes ${int},
      primary key (bucket_id, slot)) ${tail}`,
    `create table orphan_tallies (volume_id ${text}, hour ${int}, condemned ${int},
      primary key (volume_id, hour)) ${tail}`,
    `create table facts (name ${text}, value ${text}, primary key (name)) ${tail}`,
    `create table counters (name ${text}, value ${int}, primary key (name)) ${tail}`,
    "insert into counters (name, value) values ('changes_purged_through', 0), ('numbers', 0)",
    ...(kind === "postgres" ? ["create sequence numbers"] : []),
  ];
  return {
    up: async (db: Kysely<unknown>) => {
      for (const statement of statements) await sql.raw(statement).execute(db);
    },
  };
}
