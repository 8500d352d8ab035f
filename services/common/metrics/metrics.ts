import { collectDefaultMetrics, Registry } from "prom-client";

export type Metrics = Registry;

/** A registry of its own for each role, so that several in one process do not collide. */
export function createMetrics(options: { defaults: boolean }): Metrics {
  const registry = new Registry();
  if (options.defaults) collectDefaultMetrics({ register: registry });
  return registry;
}
