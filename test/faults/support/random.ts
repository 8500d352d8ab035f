/** Numbers from a seed, so that a printed seed replays the choices of a run. */
export type Random = {
  /** Uniform in [0, 1). */
  next(): number;
  /** A whole number from 0 to `below` - 1. */
  whole(below: number): number;
  pick<T>(items: readonly T[]): T;
};

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const whole = (below: number) => Math.floor(next() * below);
  return {
    next,
    whole,
    pick: (items) => {
      const item = items[whole(items.length)];
      if (item === undefined) throw new Error("nothing to pick from");
      return item;
    },
  };
}

/** The seed of this run: CAIRN_SEED, or one from the clock. Printed, so that a failure can be replayed. */
export function seedOfRun(name: string): number {
  const given = process.env.CAIRN_SEED;
  const seed = given === undefined ? Date.now() % 1_000_000_000 : Number(given);
  process.stdout.write(`${name}: CAIRN_SEED=${seed}\n`);
  return seed;
}
