import type { Random } from "../../test/faults/support/random";

/** Times are in years, rates in events a year. */
export type Source = {
  /** Of the events, each of which hits all of `hits` at once. */
  readonly rate: number;
  /** Numbers of the copies that it hits. */
  readonly hits: readonly number[];
  /** `latent`: a copy is bad and nobody knows until it is scrubbed. */
  readonly kind: "lost" | "latent";
  /** What a lost copy waits for before its repair can begin, beyond detection: a place, where there is none. */
  readonly replaceAfter: number;
  /** From the begin of a repair until all that the event took is made anew; the object's turn comes within it. */
  readonly rebuild: number;
  /** Comes more often while a copy is lost: disks of one batch and age, under the load of the repair. */
  readonly stressed: boolean;
};

/** One object's copies and all that can happen to them. */
export type World = {
  readonly copies: number;
  /** The object is there while so many of its copies are sound. */
  readonly needed: number;
  readonly sources: readonly Source[];
  readonly detection: number;
  /** Within this every copy is read; Infinity: never. */
  readonly scrubInterval: number;
  readonly stressFactor: number;
  /** `exponential` with `rebuild` as its mean and nothing else: what the closed form can follow. */
  readonly repairTimes: "queue" | "exponential";
};

type Copy = { state: "sound" | "latent" | "lost"; mendedAt: number; rebuildFrom: number; rebuiltAt: number };

/**
 * One year of an object whose copies are all sound at its begin. Answers 0 when it lived, else the weight of the loss:
 * 1 without `biased`; with it failures come more often than they do, and the weight is how much less likely this very
 * course is in truth. So the mean over many years is the probability of a loss either way, and a loss that happens
 * once in a thousand million years is seen in every second run.
 */
export function yearOf(world: World, random: Random, biased: boolean): number {
  const copies = Array.from({ length: world.copies }, sound);
  let now = 0;
  let weight = 1;
  while (now < 1) {
    const until = Math.min(1, ...copies.map(({ mendedAt }) => mendedAt));
    const sources = hazards(world, copies);
    const total = sum(sources.map(({ rate }) => rate));
    const chosenTotal = biased ? biasedTotal(total, copies, until - now) : total;
    const next = now + exponential(random, chosenTotal);
    // The likelihood ratio of nothing having happened for so long, true against chosen rate.
    weight *= Math.exp((chosenTotal - total) * (Math.min(next, until) - now));
    if (next >= until) {
      now = until;
      for (const [index, { mendedAt }] of copies.entries()) if (mendedAt <= now) copies[index] = sound();
      continue;
    }
    now = next;
    const { source, ratio } = pick(sources, total, chosenTotal, random, biased);
    weight *= ratio;
    strike(world, copies, source, now, random);
    if (copies.filter(({ state }) => state === "sound").length < world.needed) return weight;
  }
  return 0;
}

type Hazard = { readonly source: Source; readonly rate: number };

/** What can happen now, with its rate now. */
function hazards(world: World, copies: readonly Copy[]): Hazard[] {
  const isStressed = copies.some(({ state }) => state === "lost");
  return world.sources
    .filter(({ kind, hits }) =>
      hits.some((index) => {
        const state = copies[index]?.state;
        return kind === "latent" ? state === "sound" : state !== "lost";
      }),
    )
    .map((source) => ({
      source,
      rate: source.rate * (isStressed && source.stressed ? world.stressFactor : 1),
    }));
}

/** About one first failure a year, and about one more before the next repair is done; never less than in truth. */
function biasedTotal(total: number, copies: readonly Copy[], window: number): number {
  const isWhole = copies.every(({ state }) => state === "sound");
  return Math.max(total, isWhole ? 1 : 1 / window);
}

/**
 * Half of the choices go by rate and half evenly over the sources ("balanced failure biasing"), so that a rare source
 * that takes several copies at once is seen as well as the frequent ones.
 */
function pick(
  sources: readonly Hazard[],
  total: number,
  chosenTotal: number,
  random: Random,
  biased: boolean,
): { source: Source; ratio: number } {
  const rateOf = ({ rate }: Hazard) =>
    biased ? chosenTotal * (rate / total / 2 + 1 / sources.length / 2) : rate;
  let left = random.next() * chosenTotal;
  let picked: Hazard | undefined;
  for (const hazard of sources) {
    picked = hazard;
    left -= rateOf(hazard);
    if (left < 0) break;
  }
  if (picked === undefined) throw new Error("nothing can happen to this object");
  return { source: picked.source, ratio: picked.rate / rateOf(picked) };
}

function strike(world: World, copies: Copy[], source: Source, now: number, random: Random): void {
  for (const index of source.hits) {
    const copy = copies[index];
    if (copy === undefined || copy.state === "lost") continue;
    if (source.kind === "lost") copies[index] = lost(world, copies, source, now, random);
    else if (copy.state === "sound") {
      // Never 0, which times Infinity would be no number.
      const found = now + (1 - random.next()) * world.scrubInterval;
      copies[index] = { ...copy, state: "latent", mendedAt: found + world.detection };
    }
  }
}

function lost(world: World, copies: readonly Copy[], source: Source, now: number, random: Random): Copy {
  if (world.repairTimes === "exponential") {
    return { ...sound(), state: "lost", mendedAt: now + exponential(random, 1 / source.rebuild) };
  }
  const ready = now + world.detection + source.replaceAfter;
  // Repairs go in the order in which they can begin, and share one bandwidth.
  const before = copies.filter(({ state, rebuildFrom }) => state === "lost" && rebuildFrom <= ready);
  const rebuildFrom = Math.max(ready, ...before.map(({ rebuiltAt }) => rebuiltAt));
  return {
    state: "lost",
    rebuildFrom,
    rebuiltAt: rebuildFrom + source.rebuild,
    mendedAt: rebuildFrom + random.next() * source.rebuild,
  };
}

function sound(): Copy {
  return { state: "sound", mendedAt: Number.POSITIVE_INFINITY, rebuildFrom: 0, rebuiltAt: 0 };
}

function exponential(random: Random, rate: number): number {
  return -Math.log(1 - random.next()) / rate;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
