/** Copies that fail and are repaired independently of each other, all times exponential: what can be calculated. */
export type Chain = {
  readonly copies: number;
  /** The object is there while so many are sound. */
  readonly needed: number;
  /** Failures a year of one copy. */
  readonly failureRate: number;
  /** Repairs a year of one copy that has failed. */
  readonly repairRate: number;
};

/** Rates by the number of copies that have failed: to one more, to one fewer. */
function ratesOf({ copies, needed, failureRate, repairRate }: Chain): { up: number; down: number }[] {
  return Array.from({ length: copies - needed + 1 }, (_, failed) => ({
    up: (copies - failed) * failureRate,
    down: failed * repairRate,
  }));
}

/** Mean time to data loss in years, from all copies sound: the closed form of a birth-and-death chain. */
export function meanYearsToLoss(chain: Chain): number {
  const rates = ratesOf(chain);
  let total = 0;
  for (const [last] of rates.entries()) {
    // The mean time from `last` failed copies to one more.
    let product = 1;
    for (let failed = last; failed >= 0; failed -= 1) {
      const { up, down } = rates[failed] ?? { up: 1, down: 0 };
      total += product / up;
      product *= down / up;
    }
  }
  return total;
}

/** The probability of a loss within a year: the same chain by uniformisation, in which nothing is subtracted. */
export function lossWithinYear(chain: Chain): number {
  const rates = ratesOf(chain);
  const clock = Math.max(...rates.map(({ up, down }) => up + down));
  const deepest = rates.length;
  let shares = [1, ...rates.map(() => 0)];
  let loss = 0;
  // Steps of a Poisson process; past mean + 12 deviations nothing is left that a double could hold.
  const steps = Math.ceil(clock + 12 * Math.sqrt(clock) + 40);
  let logPoisson = -clock;
  for (let step = 0; step <= steps; step += 1) {
    loss += Math.exp(logPoisson) * (shares[deepest] ?? 0);
    const next = shares.map(() => 0);
    const add = (state: number, share: number) => {
      next[state] = (next[state] ?? 0) + share;
    };
    for (const [failed, { up, down }] of rates.entries()) {
      const share = shares[failed] ?? 0;
      add(failed + 1, (share * up) / clock);
      if (failed > 0) add(failed - 1, (share * down) / clock);
      add(failed, share * (1 - (up + down) / clock));
    }
    add(deepest, shares[deepest] ?? 0);
    shares = next;
    logPoisson += Math.log(clock / (step + 1));
  }
  return loss;
}
