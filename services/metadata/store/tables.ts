/**
 * The tables of the metadata service, the same on both engines. Numbers stay below 2^53; flags are 0 or 1.
 * What each is for: PROTOCOLS P2 (names), P6 (bytes), P3 (commands), P7 (history).
 */
export type Tables = {
  buckets: BucketRow;
  object_versions: VersionRow;
  extents: ExtentRow;
  blobs: BlobRow;
  copies: CopyRow;
  uploads: UploadRow;
  parts: PartRow;
  nodes: NodeRow;
  volumes: VolumeRow;
  repair_queue: RepairRow;
  delete_queue: DeleteRow;
  leases: { lease_id: string; blob_id: string; expires_at_ms: number };
  outcomes: { command_id: string; outcome: Uint8Array };
  changes: ChangeRow;
  change_horizons: { bucket_id: string; gone_through: number };
  marks: { hour: number; number: number; command_id: string };
  usage: { bucket_id: string; slot: number; objects: number; size_bytes: number; changes: number };
  orphan_tallies: { volume_id: string; hour: number; condemned: number };
  walks: WalkRow;
  facts: { name: string; value: string };
  counters: { name: string; value: number };
};

export type BucketRow = {
  bucket_id: string;
  name: string;
  owner_id: string;
  created_at_ms: number;
  /** common.Versioning. */
  versioning: number;
  quota_bytes: number;
  config_version: number;
  /** Set: the name is free, what is left waits for Purge. */
  deleted_at_ms: number | null;
};

export type VersionRow = {
  bucket_id: string;
  key: string;
  /** Number of the command that made it: the newest by sequence is current. Also the owner of its extents. */
  sequence: number;
  version_id: string;
  created_at_ms: number;
  /** Set when it is no version any more; row and extents stay for the history window. */
  removed_at_ms: number | null;
  is_current: number;
  delete_marker: number;
  size_bytes: number;
  etag: string;
  headers: string;
  checksums: string;
};

/** Versions and parts own extents by their sequence; `start_bytes` is where the extent begins in the content. */
export type ExtentRow = {
  bucket_id: string;
  owner_sequence: number;
  start_bytes: number;
  blob_id: string;
  offset_bytes: number;
  length_bytes: number;
};

export type BlobRow = { blob_id: string; size_bytes: number; crc32c: number };

/** One replica of one blob; its primary key decides every race about it (P6). `state` is metadata.CopyState. */
export type CopyRow = {
  blob_id: string;
  volume_id: string;
  state: number;
  condemned_at_ms: number | null;
  /** Number of the command by which the node confirmed the delete. */
  confirmed_number: number | null;
};

export type UploadRow = {
  upload_id: string;
  bucket_id: string;
  key: string;
  created_at_ms: number;
  expires_at_ms: number | null;
  hidden: number;
  headers: string;
};

export type PartRow = {
  upload_id: string;
  part_number: number;
  /** Owner of its extents. */
  sequence: number;
  size_bytes: number;
  etag: string;
  checksums: string;
  added_at_ms: number;
};

export type NodeRow = { node_id: string; address: string; zone: string; registered_at_ms: number };
export type VolumeRow = {
  volume_id: string;
  node_id: string;
  fenced_at_ms: number | null;
  fence_detail: string;
  /** Takes no new blobs and is being emptied. */
  draining_at_ms: number | null;
  /** Never counts again; the row stays, so that what still names it is found. */
  removed_at_ms: number | null;
};

/** A walk over one volume's copies; `kind` is metadata.WalkKind. Held by one process until `held_until_ms`. */
export type WalkRow = {
  kind: number;
  volume_id: string;
  after_blob_id: string;
  started_at_ms: number;
  updated_at_ms: number;
  finished_at_ms: number | null;
  /** Null: not again. */
  due_at_ms: number | null;
  holder_id: string;
  held_until_ms: number;
  running: number;
  hasty: number;
  checked: number;
  changed: number;
  waiting: number;
  bytes: number;
  total: number;
};

export type RepairRow = {
  blob_id: string;
  due_at_ms: number;
  attempts: number;
  /** Number of the oldest hand-out that is not finished: what P6 compares with a confirmation. */
  given_number: number | null;
};

/** `volume_id` empty: the whole blob. */
export type DeleteRow = { blob_id: string; volume_id: string; due_at_ms: number };

export type ChangeRow = {
  number: number;
  command_id: string;
  bucket_id: string;
  key: string;
  version_id: string;
  kind: string;
  at_ms: number;
};
