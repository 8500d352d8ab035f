/** The identity service's tables, the same on both engines. Flags are 0 or 1: SQLite has no booleans. */
export type IdentityTables = {
  users: { id: string; name: string; admin: number; created_at_ms: number };
  api_keys: {
    id: string;
    user_id: string;
    name: string;
    /** HMAC-SHA-256 of the key's text, in hexadecimal digits; the text itself is nowhere (I9). */
    digest: string;
    /** A JSON array of permissions. */
    permissions: string;
    /** A JSON array of bucket names. */
    buckets: string;
    /** 1 when the grant has `admin` and no list of buckets. */
    grants_everything: number;
    created_at_ms: number;
    expires_at_ms: number;
    last_used_at_ms: number;
    revoked_at_ms: number;
    requests_per_minute: number;
  };
  s3_key_pairs: {
    access_key_id: string;
    user_id: string;
    name: string;
    /** Sealed (seal.ts); empty once revoked. */
    sealed_secret: string;
    created_at_ms: number;
    revoked_at_ms: number;
  };
  /** Random keys, sealed under the master key. */
  wrapped_keys: { purpose: string; sealed: string; created_at_ms: number };
  /** One row once the first admin was made, so that deleting that user does not bring it back. */
  first_start: { id: number; at_ms: number };
  /** Requests counted by each identity process, for the others to read. Used on PostgreSQL. */
  rate_counts: { subject: string; window_minute: number; process_id: string; requests: number };
};
