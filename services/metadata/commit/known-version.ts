import type { VersionRow } from "../store/tables";

/** What a decision needs to know of a version. */
export type KnownVersion = Pick<
  VersionRow,
  "sequence" | "version_id" | "created_at_ms" | "delete_marker" | "size_bytes" | "etag" | "is_current"
>;
