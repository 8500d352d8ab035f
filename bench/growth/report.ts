import { medianOf, type Outcome, rate, ratioOf, speedOf, wrongAnswers } from "../measure";
import { median } from "../percentiles";
import { table, verdict } from "../table";
import type { ConnectionFigure } from "./connections";

/** Pairs are of the small and of the large store. */
export type GrowthFigures = {
  readonly sizes: readonly [number, number];
  readonly filling: string;
  readonly rounds: number;
  readonly outcomes: readonly Outcome[];
  /** In ms. */
  readonly starts: readonly [number, number];
  /** In MiB. */
  readonly memory: readonly [number | undefined, number | undefined];
  /** In the large store: ten keys of a prefix with ten, and of one with many. */
  readonly prefixes: Outcome;
  readonly connections: readonly ConnectionFigure[];
  readonly memoryWithConnections: number | undefined;
};

/** The time of anything at the large size as a multiple of that at the small one. */
const goal = 1.5;

export function report(figures: GrowthFigures): string {
  const { sizes, filling, rounds, outcomes, prefixes } = figures;
  const heading = ["", ...sizes.map((size) => `${size} objects`), "growth", "goal", "", "p50 ms", "p99 ms"];
  const within = ["in the large store", "few", "many", ...heading.slice(3)];
  return [
    `\nFilled by ${filling}. Median of ${rounds} rounds by turns; growth is of times, p50 and p99 of the larger.\n`,
    table(heading, sizeRows(figures)),
    "",
    table(within, [prefixRow(figures), ...connectionRows(figures)]),
    `\nIts memory at the peak with all these connections: ${mib(figures.memoryWithConnections)}`,
    ...figures.connections
      .filter(({ result }) => result.errors > 0)
      .map(
        ({ title, result }) => `WRONG: ${title}: ${result.errors} answers, the first ${result.firstError}`,
      ),
    wrongAnswers([...outcomes, prefixes]),
  ].join("\n");
}

function sizeRows({ outcomes, starts, memory }: GrowthFigures): string[][] {
  const rows = outcomes.map(({ case: one, byName }) => {
    const [small, large] = [...byName.values()];
    if (small === undefined || large === undefined) throw new Error(`${one.name} was not measured twice`);
    const [few = "", many = ""] = [small, large].map(({ rounds }) =>
      rate(one, median(rounds.map((result) => speedOf(one, result)))),
    );
    const times = (["p50Ms", "p99Ms"] as const).map((field) => medianOf(large, field).toFixed(1));
    // Speeds are divided the other way round: what grows is the time of an operation.
    return row(`${one.title}, ${one.concurrency} clients`, few, many, ratioOf(one, small, large), times);
  });
  const [fewMiB = Number.NaN, manyMiB = Number.NaN] = memory;
  return [
    ...rows,
    row("start, clean stop before", ms(starts[0]), ms(starts[1]), starts[1] / starts[0]),
    row("memory at the peak", mib(fewMiB), mib(manyMiB), manyMiB / fewMiB),
  ];
}

function prefixRow({ sizes, prefixes }: GrowthFigures): string[] {
  const [few, many] = [...prefixes.byName.values()];
  if (few === undefined || many === undefined) throw new Error("the prefixes were not measured");
  const [fewMs, manyMs] = [few, many].map((measured) => `${medianOf(measured, "p50Ms").toFixed(2)} ms`);
  const growth = ratioOf(prefixes.case, few, many);
  return row(`ten keys of a prefix with ten; with ${sizes[1]}`, fewMs ?? "", manyMs ?? "", growth);
}

function connectionRows({ connections }: GrowthFigures): string[][] {
  return connections.map(({ title, few, result, growth }) =>
    row(title, `${few.perSecond.toFixed(0)}/s`, `${result.perSecond.toFixed(0)}/s`, growth, [
      result.p50Ms.toFixed(1),
      result.p99Ms.toFixed(1),
    ]),
  );
}

function row(
  title: string,
  few: string,
  many: string,
  growth: number,
  times: readonly string[] = [],
): string[] {
  return [title, few, many, growth.toFixed(2), `≤ ${goal}`, verdict(growth <= goal), ...times];
}

function ms(value: number): string {
  return `${value.toFixed(0)} ms`;
}

function mib(value: number | undefined): string {
  return value === undefined ? "?" : `${value.toFixed(0)} MiB`;
}
