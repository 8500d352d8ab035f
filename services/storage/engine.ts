import type { EndSignal } from "../common/lifecycle/end-signal";
/**
 * Where a volume's blobs lie. The rest of the service knows nothing of files, blocks and tables, so that another
 * engine can take this one's place; engine-suite.ts is what every engine must pass.
 *
 * Rules for all methods:
 * - Errors about blobs are CairnErrors (each method says which). Errors of the disk come through as the Disk threw
 *   them, with `code`; the volume gives them their meaning (P9). Nothing is retried here.
 * - Methods may run at once, on the same blob too: writes of one id are decided one after the other.
 * - Memory is bounded by a stated number of buffers of 1 MiB per read or write in progress (I7).
 */
export type Engine = {
  /** Begins to write a replica, of `sizeBytes` when that is known. Touches the disk at the earliest when 1 MiB has been appended or at finish. */
  begin(blobId: string, sizeBytes?: number): BlobWriter;
  /**
   * Writes a replica whose content is at hand: as `begin`, `append` and `finish` would, for less. The content must not
   * change until it resolves.
   */
  write(blobId: string, content: Uint8Array, summary: BlobSummary): Promise<void>;
  /**
   * Opens a replica. `lengthBytes` 0 reads to the end.
   * NO_SUCH_BLOB; DAMAGED_BLOB; RANGE_NOT_SATISFIABLE (with size_bytes) when the range leaves the blob.
   */
  read(blobId: string, range: ByteRange, call: Cancellation): Promise<BlobReading>;
  /** True when this blob is there, sound or not. */
  has(blobId: string): Promise<boolean>;
  /** Replicas with ids greater than `afterBlobId`, in id order, at most `limit`. What is written meanwhile may miss. */
  list(afterBlobId: string, limit: number): Promise<{ blobs: StoredBlob[]; more: boolean }>;
  /**
   * Reads the whole replica from the medium and checks every byte of it. `pace` is told before so many bytes are read,
   * at most 1 MiB and a record's overhead at once, and waited for. NO_SUCH_BLOB; DAMAGED_BLOB.
   */
  verify(blobId: string, call: Cancellation, pace?: (bytes: number) => Promise<void>): Promise<BlobSummary>;
  /** When it resolves none of these is there, also after a power cut. Those that were not there count too. */
  delete(blobIds: readonly string[]): Promise<void>;
  /** How many replicas there are. */
  readonly blobs: number;
  /** Releases what is open. Reads in progress fail. */
  close(): Promise<void>;
};

export type BlobWriter = {
  /** Takes the next bytes, which must not change until the write has ended. Waits while there is too much in memory. */
  append(chunk: Uint8Array): Promise<void> | undefined;
  /**
   * Resolves when the replica, its name included, is on the medium (I1). A replica with equal size and checksum that
   * is there already and sound answers the same; a damaged one is replaced.
   * SIZE_MISMATCH, CHECKSUM_MISMATCH, BLOB_EXISTS: nothing of this write is left.
   */
  finish(summary: BlobSummary): Promise<void>;
  /** Leaves nothing. Idempotent; after finish has resolved it does nothing. Never rejects. */
  abort(): Promise<void>;
};

/** Whose `signal` ends the work. It may be made when it is first asked for, which a small read never does. */
export type Cancellation = { readonly signal: EndSignal };

/** CRC-32C of the content. */
export type BlobSummary = { readonly sizeBytes: number; readonly crc32c: number };

export type ByteRange = { readonly offsetBytes: number; readonly lengthBytes: number };

export type BlobReading = {
  /** Of the whole blob. */
  readonly sizeBytes: number;
  /**
   * The range in pieces of at most 1 MiB, each verified before it is given (I3), each the reader's own. Throws
   * DAMAGED_BLOB where a block is bad: what was given before is right. To be iterated once; leaving it early, or the
   * signal, releases the file (I8). A list when all of it is in memory.
   */
  readonly chunks: AsyncIterable<Uint8Array> | readonly Uint8Array[];
};

export type StoredBlob = { readonly blobId: string; readonly sizeBytes: number; readonly ageMs: number };
