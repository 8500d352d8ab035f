import type { Case } from "./case-kinds";
import { type LoadResult, runLoad } from "./load";
import { median } from "./percentiles";
import { nowMicroseconds, type Span } from "./profile";
import type { Target } from "./target";

export type Measured = {
  readonly target: Target;
  readonly rounds: LoadResult[];
  readonly spans: Span[];
  /** CPU time of each round, in microseconds an operation; NaN where nobody tells. */
  readonly cpu: number[];
};
export type Outcome = { readonly case: Case; readonly byName: ReadonlyMap<string, Measured> };

/**
 * Measures one case by turns on all targets that `asked` names for it, so that what else the machine does meets all
 * of them.
 */
export async function measure(
  one: Case,
  asked: readonly Target[],
  rounds: number,
  quick: boolean,
): Promise<Outcome> {
  const measured = asked.map((target): Measured => ({ target, rounds: [], spans: [], cpu: [] }));
  for (const { target } of measured) await one.prepare(target);
  for (let round = 1; round <= rounds; round += 1) {
    const order = round % 2 === 0 ? [...measured].reverse() : measured;
    for (const { target, rounds: results, spans, cpu } of order) {
      const cpuBefore = target.cpuMicroseconds() ?? Number.NaN;
      const from = nowMicroseconds();
      const result = await runLoad({
        url: target.url,
        concurrency: one.concurrency,
        // A large body takes seconds: a request of the warm-up would reach far into the measured time.
        // A case that uses up what was prepared for it counts from the first request.
        warmUpMs: one.large || one.operationsARound !== undefined ? 0 : quick ? 500 : 1000,
        durationMs: one.large ? (quick ? 3000 : 5000) : quick ? 2000 : 5000,
        ...(one.operationsARound === undefined ? {} : { maxOperations: one.operationsARound }),
        step: one.steps(target, round),
      });
      results.push(result);
      spans.push({ from, to: nowMicroseconds() });
      cpu.push(((target.cpuMicroseconds() ?? Number.NaN) - cpuBefore) / result.requests);
      if (result.errors === 0) await one.verify?.(target, round);
      process.stderr.write(
        `${one.name} ${target.name} ${round}/${rounds}: ${figure(one, result)}${trouble(result)}\n`,
      );
    }
  }
  return { case: one, byName: new Map(measured.map((each) => [each.target.name, each])) };
}

/** The median of the ratios of rounds that ran side by side: what slows the machine slows both. */
export function ratioOf(one: Case, above: Measured, below: Measured): number {
  return median(
    above.rounds.map((result, index) => {
      const other = below.rounds[index];
      return other === undefined ? Number.NaN : speedOf(one, result) / speedOf(one, other);
    }),
  );
}

export function medianOf(measured: Measured, field: "p50Ms" | "p95Ms" | "p99Ms"): number {
  return median(measured.rounds.map((result) => result[field]));
}

export function timesOf(measured: Measured): string[] {
  return (["p50Ms", "p95Ms", "p99Ms"] as const).map((field) => medianOf(measured, field).toFixed(1));
}

export function cpuOf(measured: Measured | undefined): string {
  const cpu = measured === undefined ? Number.NaN : median(measured.cpu);
  return Number.isNaN(cpu) ? "" : cpu.toFixed(0);
}

export function speedOf(one: Case, result: LoadResult): number {
  return one.large ? result.bytesPerSecond : result.perSecond;
}

export function rate(one: Case, speed: number): string {
  return one.large ? `${(speed / 1e6).toFixed(0)} MB/s` : `${speed.toFixed(0)}/s`;
}

export function figure(one: Case, result: LoadResult): string {
  return `${rate(one, speedOf(one, result))}, p50 ${result.p50Ms.toFixed(1)} ms, p99 ${result.p99Ms.toFixed(1)} ms`;
}

export function trouble(result: LoadResult): string {
  return result.errors === 0 ? "" : `, ${result.errors} WRONG: ${result.firstError}`;
}

export function hasErrors({ rounds }: Measured): boolean {
  return rounds.some(({ errors }) => errors > 0);
}

/** What was wrong in any round, or that nothing was. */
export function wrongAnswers(outcomes: readonly Outcome[]): string {
  const errors = outcomes.flatMap(({ case: one, byName }) =>
    [...byName.values()].flatMap(({ target, rounds }) =>
      rounds
        .filter((result) => result.errors > 0)
        .map((result) => `${one.name} ${target.name}${trouble(result)}`),
    ),
  );
  return errors.length === 0 ? "Every answer was right.\n" : `WRONG ANSWERS\n${errors.join("\n")}\n`;
}
