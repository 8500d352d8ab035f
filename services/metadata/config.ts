/** Limits and times of the metadata service. Tests shorten them; `defaultMetadataConfig` is what a store runs with. */
export type MetadataConfig = {
  /**
   * How long a blob without an extent stays readable before it may be condemned (P6). A read that outlasts half of
   * it holds a lease, so it is chosen so that ordinary reads need none. Default 5 min.
   */
  readonly deleteGraceMs: number;
  /** How long removed versions keep their extents, for point-in-time views (P2). Default 0. */
  readonly historyWindowMs: number;
  /** How long outcomes of applied commands are kept; must exceed `commandMaxAgeMs` (P3). Default 1 h. */
  readonly outcomesKeptMs: number;
  /** A command whose id is older is refused (P3). Default 30 min. */
  readonly commandMaxAgeMs: number;
  /** How long a condemned pair keeps its blob from that volume (P6). Default 7 days. */
  readonly condemnedKeptMs: number;
  /** A blob older than this that no row names yet is refused at commit (P6). Default 3 days. */
  readonly unnamedMaxAgeMs: number;
  /** Changes kept a bucket (P3). Default 100,000. */
  readonly changesKept: number;
  /** Orphans that one volume may lose in 24 h whatever its size (P6). Default 1,000. */
  readonly orphansAlwaysAllowed: number;
  /** Beyond those, the share of the volume's blobs that may be condemned in 24 h (P6). Default 0.05. */
  readonly orphanShare: number;
  /** Between a volume's joining and the walk that moves to it what placement wants there: more may join. Default 1 min. */
  readonly rebalanceDelayMs: number;
  /** Commands that share a transaction at most. Default 64. */
  readonly batchCommands: number;
  /** Commands that touch more rows go alone (P3). Default 1,000. */
  readonly aloneAboveRows: number;
  /** Commands that may wait; beyond that callers get METADATA_UNAVAILABLE (I7). Default 10,000. */
  readonly maxWaiting: number;
  /** Transactions at once on PostgreSQL; SQLite has one. Default 3. */
  readonly transactionsAtOnce: number;
};

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

export const defaultMetadataConfig: MetadataConfig = {
  deleteGraceMs: 5 * minuteMs,
  historyWindowMs: 0,
  outcomesKeptMs: hourMs,
  commandMaxAgeMs: 30 * minuteMs,
  condemnedKeptMs: 7 * dayMs,
  unnamedMaxAgeMs: 3 * dayMs,
  changesKept: 100_000,
  orphansAlwaysAllowed: 1_000,
  orphanShare: 0.05,
  rebalanceDelayMs: minuteMs,
  batchCommands: 64,
  aloneAboveRows: 1_000,
  maxWaiting: 10_000,
  transactionsAtOnce: 3,
};
