import { type Kysely, type Migration, sql } from "kysely";

/**
 * The index that listings walk holds all that a page shows: no look at the table for each key, and no reason for
 * SQLite's planner to walk the table instead, past rows that are superseded.
 */
export const coveringListing: Migration = {
  up: async (db: Kysely<unknown>) => {
    await sql`drop index listed_versions`.execute(db);
    await sql`create index listed_versions on object_versions
      (bucket_id, key, version_id, created_at_ms, delete_marker, size_bytes, etag)
      where is_current = 1 and delete_marker = 0`.execute(db);
  },
};
