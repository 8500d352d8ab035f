import type { Histogram, MetricObjectWithValues, MetricValueWithName } from "prom-client";
import type { Metrics } from "./metrics";

/** Counts durations in seconds, those of one set of label values. */
export type DurationsOf = { observe(seconds: number): void };

/**
 * A Prometheus histogram of durations, for what every request passes: an observation is an addition to an
 * array, and all else is done when the page is asked for. prom-client's own costs several times as much each time.
 */
export class Durations {
  readonly name: string;
  readonly #options: { readonly help: string; readonly labelNames: readonly string[] };
  readonly #bounds: readonly number[];
  readonly #known = new Map<string, Observations>();

  constructor(options: {
    readonly name: string;
    readonly help: string;
    readonly labelNames: readonly string[];
    /** Upper bounds in seconds, ascending. */
    readonly buckets: readonly number[];
    readonly registry: Metrics;
  }) {
    this.#options = options;
    this.#bounds = options.buckets;
    this.name = options.name;
    // A registry asks its metrics for their name and, when it is read, for their values; more it does not need.
    options.registry.registerMetric(this as unknown as Histogram);
  }

  /** By values in the order of the label names. To be kept by those who count often. */
  of(...values: readonly string[]): DurationsOf {
    const key = values.join("\0");
    let known = this.#known.get(key);
    if (known === undefined) {
      const names = this.#options.labelNames;
      known = new Observations(
        Object.fromEntries(names.map((name, index) => [name, values[index] ?? ""])),
        this.#bounds,
      );
      this.#known.set(key, known);
    }
    return known;
  }

  reset(): void {
    this.#known.clear();
  }

  async get(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    const { name } = this;
    const { help } = this.#options;
    const values: MetricValueWithName<string>[] = [];
    for (const { labels, counts, sum } of this.#known.values()) {
      let count = 0;
      for (const [index, bound] of [...this.#bounds, "+Inf"].entries()) {
        count += counts[index] ?? 0;
        values.push({ metricName: `${name}_bucket`, labels: { le: bound, ...labels }, value: count });
      }
      values.push({ metricName: `${name}_sum`, labels, value: sum });
      values.push({ metricName: `${name}_count`, labels, value: count });
    }
    return { name, help, type: "histogram", values, aggregator: "sum" } as never;
  }
}

class Observations implements DurationsOf {
  /** One a bucket, not cumulative, and one for what is longer than all. */
  readonly counts: Float64Array;
  sum = 0;
  readonly #bounds: readonly number[];

  constructor(
    readonly labels: Record<string, string>,
    bounds: readonly number[],
  ) {
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(seconds: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && seconds > (this.#bounds[bucket] as number)) bucket++;
    this.counts[bucket] = (this.counts[bucket] as number) + 1;
    this.sum += seconds;
  }
}
