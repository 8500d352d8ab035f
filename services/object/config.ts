/** What the object service is told. Every limit of its buffers, waits and rates is here (I7). */
export type ObjectConfig = {
  /** Copies wanted of every blob; two are durable (P1). */
  readonly copies: number;
  /** A longer body becomes several blobs (P1). Bytes, at most 1 GiB. */
  readonly blobLimitBytes: number;
  readonly write: WriteLimits;
  readonly read: ReadLimits;
  readonly commit: CommitLimits;
  readonly heartbeat: HeartbeatLimits;
  /** Background work; false leaves it to another process. */
  readonly workers: WorkerLimits | false;
};

export type WriteLimits = {
  /** Every two replicas hold the client when they are this far behind it. Bytes. */
  readonly windowBytes: number;
  /** A refused replica is replaced while no more than this has come, as it is all still there. Bytes. */
  readonly replayBytes: number;
  /** The slowest replica holds the client when it is this far behind the others, ... Bytes. */
  readonly holdBytes: number;
  /** ... for this long at each chunk. */
  readonly holdMs: number;
  /** Dropped when this far behind the others (P1). Bytes. */
  readonly dropBytes: number;
  /** Dropped when it took nothing for this long while the others went on, or did not sync (P1). */
  readonly dropMs: number;
  /** Dropped when it takes nothing for this long, whatever the others do. */
  readonly stallMs: number;
  /** Dropped when it did not sync this long after the end of the blob, whatever the others do. */
  readonly syncMs: number;
  /** A volume that was dropped or refused is not written to for this long. */
  readonly avoidMs: number;
  /** How long a hidden upload lives unless renewed (P1). */
  readonly hiddenUploadTtlMs: number;
};

export type ReadLimits = {
  /** A replica that sends nothing for this long is left for another one. */
  readonly stallMs: number;
  /** The same where no other one is left, or all were tried: an overloaded store answers late rather than not. */
  readonly lastStallMs: number;
  /** How long the volume is then read only when nothing else is left. */
  readonly avoidMs: number;
  /** The metadata's grace before bytes are deleted: reads longer than half of it hold a lease (P6). */
  readonly deleteGraceMs: number;
  /** Bad replicas waiting to be reported; more are dropped, a later read finds them again. */
  readonly maxPendingReports: number;
};

export type CommitLimits = {
  /** How long a command whose answer was lost is asked again. */
  readonly unknownWaitMs: number;
  /** How long when the metadata says that it did nothing. */
  readonly unavailableWaitMs: number;
  /** Pause before asking again; doubles up to 16 times this. */
  readonly retryPauseMs: number;
  /** How often a decision is made again on a fresh bucket or source. */
  readonly maxDecisions: number;
};

export type HeartbeatLimits = {
  readonly everyMs: number;
  readonly timeoutMs: number;
  /** A node is dead after this many heartbeats without answer. */
  readonly missesToDie: number;
  /** How often a volume's history is compared and brought up to date (P7). */
  readonly historyEveryMs: number;
  /** How often the registered nodes and fences are read afresh. */
  readonly registryEveryMs: number;
  /** How long opening waits for nodes that do not answer at once, ... */
  readonly firstRoundMs: number;
  /** ... and how long while fewer than two can be written to. */
  readonly firstWritableMs: number;
};

export type WorkerLimits = {
  readonly repair: {
    readonly idleMs: number;
    readonly batch: number;
    readonly parallel: number;
    readonly visibilityMs: number;
    readonly retryMs: number;
  };
  readonly deletes: { readonly idleMs: number; readonly batch: number; readonly visibilityMs: number };
  readonly orphans: {
    readonly idleMs: number;
    readonly batch: number;
    /** Replicas unnamed for longer than this are orphans; well above the longest commit. */
    readonly graceMs: number;
    /** Pause between two pages of the walk, so that it takes a small share of a disk. */
    readonly pauseMs: number;
  };
  /** Drains and rebalances. */
  readonly moves: {
    readonly idleMs: number;
    /** Copies looked at in one stretch, ... */
    readonly batch: number;
    /** ... which ends after this long, and how far it is is written down. */
    readonly stretchMs: number;
    /** A drain that moved something is gone through again after this long, ... */
    readonly lookAgainMs: number;
    /** ... one that found nothing, or met what cannot be moved now, after this. */
    readonly waitMs: number;
  };
  readonly scrub: {
    readonly idleMs: number;
    /** Within this each replica is read once. */
    readonly intervalMs: number;
    /** Replicas in one stretch, ... */
    readonly batch: number;
    /** ... which ends after this long. */
    readonly stretchMs: number;
    /** A volume that is away is looked for again after this long. */
    readonly awayMs: number;
  };
  /** What repair, moves and scrub may take together in this process. */
  readonly pace: {
    readonly bytesPerSecond: number;
    /** Of the time, while users ask for anything: above 0 to 1. */
    readonly share: number;
  };
  /** `share` of the time it may take: what it removes is out of sight already, while requests wait for the database. */
  readonly purge: { readonly idleMs: number; readonly batch: number; readonly share: number };
  readonly lost: {
    readonly idleMs: number;
    /** A volume that no live node has told of for so long counts as lost (D§9). */
    readonly graceMs: number;
    /** Copies queued for repair at once, ... */
    readonly batch: number;
    /** ... and the pause between. */
    readonly pauseMs: number;
  };
};

const MiB = 1024 * 1024;

export const defaultWorkerLimits: WorkerLimits = {
  repair: { idleMs: 2_000, batch: 16, parallel: 4, visibilityMs: 600_000, retryMs: 5_000 },
  deletes: { idleMs: 5_000, batch: 1_000, visibilityMs: 60_000 },
  orphans: { idleMs: 600_000, batch: 1_000, graceMs: 2 * 3_600_000, pauseMs: 100 },
  moves: { idleMs: 5_000, batch: 200, stretchMs: 10_000, lookAgainMs: 1_000, waitMs: 60_000 },
  scrub: { idleMs: 5_000, intervalMs: 30 * 86_400_000, batch: 200, stretchMs: 10_000, awayMs: 60_000 },
  pace: { bytesPerSecond: 64 * MiB, share: 0.2 },
  purge: { idleMs: 5_000, batch: 250, share: 0.2 },
  lost: { idleMs: 15_000, graceMs: 600_000, batch: 1_000, pauseMs: 100 },
};

export const defaultObjectConfig: ObjectConfig = {
  copies: 3,
  blobLimitBytes: 1024 * MiB,
  write: {
    windowBytes: 2 * MiB,
    replayBytes: MiB,
    holdBytes: 4 * MiB,
    holdMs: 250,
    dropBytes: 8 * MiB,
    dropMs: 2_000,
    stallMs: 10_000,
    syncMs: 60_000,
    avoidMs: 5_000,
    hiddenUploadTtlMs: 3_600_000,
  },
  read: {
    stallMs: 1_000,
    lastStallMs: 30_000,
    avoidMs: 5_000,
    deleteGraceMs: 300_000,
    maxPendingReports: 10_000,
  },
  commit: { unknownWaitMs: 10_000, unavailableWaitMs: 1_000, retryPauseMs: 25, maxDecisions: 5 },
  heartbeat: {
    everyMs: 1_000,
    timeoutMs: 1_000,
    missesToDie: 2,
    historyEveryMs: 10_000,
    registryEveryMs: 30_000,
    firstRoundMs: 2_000,
    firstWritableMs: 10_000,
  },
  workers: defaultWorkerLimits,
};
