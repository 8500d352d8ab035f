import type { Chain } from "./markov";
import type { Source, World } from "./model";

export const hoursAYear = 8766;
const daysAYear = hoursAYear / 24;
const secondsAYear = hoursAYear * 3600;

/** What is assumed of hardware and operation. docs/durability.md says where each figure comes from. */
export type Assumptions = {
  /** Shares that fail within a year, for good. */
  readonly diskAfr: number;
  readonly nodeAfr: number;
  readonly zoneAfr: number;
  /** A room with everything in it. */
  readonly siteAfr: number;
  readonly diskBytes: number;
  readonly disksANode: number;
  readonly nodesAZone: number;
  /** Bad spots a year that a disk gets without saying so; each takes what lies within a MiB. */
  readonly latentErrorsADisk: number;
  readonly blobBytes: number;
  readonly detectionMinutes: number;
  readonly repairBytesPerSecond: number;
  /** Until an operator has put a disk, node or zone in the place of one that nothing else can take the place of. */
  readonly replaceHours: number;
  readonly scrubDays: number;
  readonly stressFactor: number;
};

export const assumed: Assumptions = {
  diskAfr: 0.02,
  nodeAfr: 0.005,
  zoneAfr: 0.001,
  siteAfr: 0.001,
  diskBytes: 8e12,
  disksANode: 4,
  nodesAZone: 1,
  latentErrorsADisk: 1,
  blobBytes: 64 * 2 ** 20,
  detectionMinutes: 10,
  repairBytesPerSecond: 64 * 2 ** 20,
  replaceHours: 72,
  scrubDays: 30,
  stressFactor: 10,
};

/** Where the three copies lie. */
export type Layout = "three zones" | "one room" | "one machine" | "one disk";

/** Three copies of a blob of a full store. */
export function worldOf(layout: Layout, changed: Partial<Assumptions> = {}): World {
  const a = { ...assumed, ...changed };
  const copies = [0, 1, 2];
  const rebuildOf = (disks: number) => (disks * a.diskBytes) / a.repairBytesPerSecond / secondsAYear;
  const replaceAfter = a.replaceHours / hoursAYear;
  const lost = (afr: number, hits: readonly number[], disks: number, hasPlace: boolean): Source => ({
    rate: yearlyRate(afr),
    hits,
    kind: "lost",
    replaceAfter: hasPlace ? 0 : replaceAfter,
    rebuild: rebuildOf(disks),
    stressed: disks === 1,
  });
  // A copy goes to another disk of its node, or to another node of its zone; only to what it has a place in.
  const disks = copies.map((copy) => lost(a.diskAfr, [copy], 1, a.disksANode > 1 || a.nodesAZone > 1));
  const nodes = copies.map((copy) => lost(a.nodeAfr, [copy], a.disksANode, a.nodesAZone > 1));
  const zones = copies.map((copy) => lost(a.zoneAfr, [copy], a.disksANode * a.nodesAZone, false));
  const latent = copies.map(
    (copy): Source => ({
      rate: (a.latentErrorsADisk * (a.blobBytes + 2 ** 20)) / a.diskBytes,
      hits: [copy],
      kind: "latent",
      replaceAfter: 0,
      rebuild: 0,
      stressed: false,
    }),
  );
  const all = (afr: number) => lost(afr, copies, 3, false);
  const sources: Record<Layout, readonly Source[]> = {
    "three zones": [...disks, ...nodes, ...zones],
    "one room": [...disks, ...nodes, all(a.siteAfr)],
    "one machine": [...disks, all(a.nodeAfr), all(a.siteAfr)],
    "one disk": [all(a.diskAfr), all(a.nodeAfr), all(a.siteAfr)],
  };
  return {
    copies: 3,
    needed: 1,
    sources: [...sources[layout], ...latent],
    detection: a.detectionMinutes / 60 / hoursAYear,
    scrubInterval: a.scrubDays / daysAYear,
    stressFactor: a.stressFactor,
    repairTimes: "queue",
  };
}

/**
 * Names and keys of an embedded store on three disks of one machine, which is taken not to be lost: the journal lies
 * in three folders, and a start wants two of them, or an operator's word for the last one. A folder is level again
 * minutes after it was replaced.
 */
export function journalWorld(needed: 1 | 2, changed: Partial<Assumptions> = {}): World {
  const world = worldOf("one machine", { ...changed, disksANode: 1, diskBytes: 4e9 });
  const folders = world.sources.filter(({ kind, hits }) => kind === "lost" && hits.length === 1);
  return { ...world, needed, sources: folders };
}

/** An annual failure rate is a share of those that there were; the rate of a Poisson process is a little higher. */
export function yearlyRate(afr: number): number {
  return -Math.log(1 - afr);
}

export type Scenario = { readonly name: string; readonly world: World };

export function allScenarios(): readonly Scenario[] {
  const zones = (name: string, changed: Partial<Assumptions> = {}) => ({
    name,
    world: worldOf("three zones", changed),
  });
  return [
    zones("three nodes of four disks in three zones"),
    zones("  four such nodes in each zone", { nodesAZone: 4 }),
    zones("  disks that fail independently of each other", { stressFactor: 1 }),
    zones("  8 % of disks a year", { diskAfr: 0.08 }),
    zones("  repair at a quarter of the rate", { repairBytesPerSecond: assumed.repairBytesPerSecond / 4 }),
    zones("  a lost node replaced after 30 days", { replaceHours: 30 * 24 }),
    zones("  never scrubbed", { scrubDays: Number.POSITIVE_INFINITY }),
    zones("  a blob of 1 GiB, 30 bad spots a disk", { blobBytes: 2 ** 30, latentErrorsADisk: 30 }),
    zones("  the same, never scrubbed", {
      blobBytes: 2 ** 30,
      latentErrorsADisk: 30,
      scrubDays: Number.POSITIVE_INFINITY,
    }),
    { name: "the three nodes in one room", world: worldOf("one room") },
    { name: "one machine, three disks", world: worldOf("one machine", { disksANode: 1 }) },
    { name: "one disk, three folders", world: worldOf("one disk", { disksANode: 1 }) },
    { name: "names, embedded: two of three folders lost", world: journalWorld(2) },
    { name: "  each replaced within 8 hours", world: journalWorld(2, { replaceHours: 8 }) },
    { name: "  all three folders lost", world: journalWorld(1) },
  ];
}

/** What the closed form can follow: every copy fails and is repaired by itself. */
export function simpleWorld(chain: Chain): World {
  const { copies, needed, failureRate, repairRate } = chain;
  return {
    copies,
    needed,
    sources: Array.from({ length: copies }, (_, copy) => ({
      rate: failureRate,
      hits: [copy],
      kind: "lost" as const,
      replaceAfter: 0,
      rebuild: 1 / repairRate,
      stressed: false,
    })),
    detection: 0,
    scrubInterval: Number.POSITIVE_INFINITY,
    stressFactor: 1,
    repairTimes: "exponential",
  };
}
