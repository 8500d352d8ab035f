import { Histogram, Registry } from "prom-client";
import { Durations } from "./durations";

test("a page shows the same as with prom-client's own histogram", async () => {
  const buckets = [0.001, 0.01, 0.1, 1];
  const [ours, theirs] = [new Registry(), new Registry()];
  const about = { name: "seconds", help: "How long.", buckets };
  const durations = new Durations({ ...about, labelNames: ["rpc"], registry: ours });
  const histogram = new Histogram({ ...about, labelNames: ["rpc"], registers: [theirs] });
  for (const seconds of [0, 0.001, 0.0011, 0.05, 0.1, 0.9, 1, 1.5, 700]) {
    durations.of("Get").observe(seconds);
    histogram.observe({ rpc: "Get" }, seconds);
  }
  durations.of("Put").observe(0.5);
  histogram.observe({ rpc: "Put" }, 0.5);
  expect(await ours.metrics()).toBe(await theirs.metrics());
});
