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
  /** So many suspensions since the start fence the volume. */
  readonly suspensionsToFence: number;
  /** So many blobs whose reading failed with EIO since the start fence the volume. */
  readonly damagesToFence: number;
  /** Calls that one volume may have in libuv's pool at once (P9: four a disk). */
  readonly callsAtOnce: number;
  /** Blob files that one volume keeps open for reading. */
  readonly openFiles: number;
};

export const storageDefaults = {
  zone: "",
  reserveBytes: 1024 * 1024 * 1024,
  suspendAfterMs: 5_000,
  suspensionsToFence: 10,
  damagesToFence: 16,
  callsAtOnce: 4,
  openFiles: 128,
} as const satisfies Omit<StorageConfig, "folders">;
