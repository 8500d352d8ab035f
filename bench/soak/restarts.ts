import { setTimeout as delay } from "node:timers/promises";
import type { Random } from "../../test/faults/support/random";
import type { StoreClient } from "../../test/faults/support/store-client";
import type { SplitStore } from "../../test/support/split-store";
import { until } from "../../test/support/until";

const nodes = ["storage-1", "storage-2", "storage-3"] as const;
const restTime = { leastMs: 5_000, moreMs: 20_000 };
const downTime = { leastMs: 500, moreMs: 6_000 };

/** Storage nodes that are killed, stopped or paused at random moments, one at a time, until `signal`. */
export class Restarts {
  readonly counts = { kills: 0, stops: 0, pauses: 0 };

  constructor(
    readonly store: SplitStore,
    readonly client: StoreClient,
    readonly random: Random,
  ) {}

  /** Resolves when the last one is back. Rejects when a node does not come back. */
  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await delay(restTime.leastMs + this.random.whole(restTime.moreMs), undefined, { signal }).catch(
        () => {},
      );
      if (signal.aborted) return;
      const node = this.random.pick(nodes);
      const downMs = downTime.leastMs + this.random.whole(downTime.moreMs);
      const how = this.random.pick(["kills", "stops", "pauses"] as const);
      this.counts[how] += 1;
      if (how === "pauses") {
        const { child } = this.store.process(node);
        child.kill("SIGSTOP");
        await delay(downMs);
        child.kill("SIGCONT");
      } else {
        await this.store.process(node).stop(how === "kills" ? "SIGKILL" : "SIGTERM");
        await delay(downMs);
        await this.store.start(node);
      }
      await until(async () => (await this.client.nodes()).every(({ alive }) => alive), 60_000);
    }
  }
}
