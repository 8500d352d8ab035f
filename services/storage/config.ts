/** What a storage node is told. Everything else it finds on its volumes. */
export type StorageConfig = {
  /** Folders of this node, each a volume; ideally each a disk. At least one. */
  readonly folders: readonly string[];
  /** Where it runs, for placement; empty when not known. */
  readonly zone: string;
  /** A volume with less free space takes no writes (P9); what stays is for deletes and for the file system. */
  readonly reserveBytes: number;
  /** A call to a disk that takes longer suspends its volume (P9). */
  readonly suspendAfterMs: number;
  /** So many suspensions within a day fence the volume, those before a restart too. */
  readonly suspensionsToFence: number;
  /** So many blobs whose reading failed with EIO fence the volume, those before a restart too; at most 1,000. */
  readonly damagesToFence: number;
  /** Calls that one volume may have in libuv's pool at once (P9: four a disk). */
  readonly callsAtOnce: number;
  /** Blob files that one volume keeps open for reading. */
  readonly openFiles: number;
  /** Blobs up to this size lie in segments, larger ones in a file each; at most 1 MiB. */
  readonly smallBlobBytes: number;
  /** A segment file is followed by the next at this length. */
  readonly segmentBytes: number;
  /** A segment with a larger share of deleted bytes is compacted. */
  readonly segmentDeadShare: number;
  readonly compactionBytesPerSecond: number;
};

export const storageDefaults = {
  zone: "",
  reserveBytes: 1024 * 1024 * 1024,
  suspendAfterMs: 5_000,
  suspensionsToFence: 10,
  damagesToFence: 16,
  callsAtOnce: 4,
  openFiles: 128,
  smallBlobBytes: 1024 * 1024,
  segmentBytes: 256 * 1024 * 1024,
  segmentDeadShare: 0.3,
  compactionBytesPerSecond: 16 * 1024 * 1024,
} as const satisfies Omit<StorageConfig, "folders">;
