/** The bucket service's tables, the same on both engines. */
export type BucketTables = {
  documents: {
    bucket_id: string;
    kind: string;
    version: number;
    /** Null once deleted: the row stays, so that versions never repeat while the bucket lives. */
    body: Buffer | null;
    changed_at_ms: number;
    /** When the bucket was first found missing; 0 while it is there. */
    missing_since_ms: number;
  };
};
