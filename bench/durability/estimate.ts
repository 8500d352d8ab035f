import { seededRandom } from "../../test/faults/support/random";
import { type World, yearOf } from "./model";

/** The probability of losing an object within a year, from simulated years. */
export type Estimate = {
  readonly loss: number;
  /** Bounds of the 95 % confidence interval. */
  readonly low: number;
  readonly high: number;
  /** Simulated years, and those that ended in a loss. */
  readonly years: number;
  readonly losses: number;
};

/** With `biased` (importance sampling) rare losses are seen; without it the plain share of years with a loss. */
export function estimateLoss(
  world: World,
  options: { readonly years: number; readonly seed: number; readonly biased?: boolean },
): Estimate {
  const { years, seed, biased = true } = options;
  const random = seededRandom(seed);
  let losses = 0;
  let sum = 0;
  let squares = 0;
  for (let year = 0; year < years; year += 1) {
    const weight = yearOf(world, random, biased);
    if (weight > 0) losses += 1;
    sum += weight;
    squares += weight * weight;
  }
  const loss = sum / years;
  const deviation = Math.sqrt(Math.max(0, squares / years - loss * loss) / years);
  return { loss, low: Math.max(0, loss - 1.96 * deviation), high: loss + 1.96 * deviation, years, losses };
}
