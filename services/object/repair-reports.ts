import type { Logger } from "../common/log/logger";
import { newCall } from "../common/rpc/call";
import type { Commits } from "./commit";

/** A copy that a reader found bad or missing. */
export type BadCopy = { readonly blobId: string; readonly volumeId: string };

/**
 * Reports bad copies to the repair queue in the background, each once at a time, so that a reader never waits for
 * it. Bounded: what does not fit is found again by a later read or by the scrubber.
 */
export class RepairReports {
  readonly #commits: Commits;
  readonly #log: Logger;
  readonly #maxPending: number;
  readonly #onQueued: () => void;
  readonly #pending = new Map<string, BadCopy>();
  #sending: Promise<void> | undefined;

  constructor(deps: { commits: Commits; log: Logger; maxPending: number; onQueued: () => void }) {
    this.#commits = deps.commits;
    this.#log = deps.log;
    this.#maxPending = deps.maxPending;
    this.#onQueued = deps.onQueued;
  }

  report(copy: BadCopy): void {
    if (this.#pending.size >= this.#maxPending) return;
    this.#pending.set(`${copy.blobId} ${copy.volumeId}`, copy);
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
    });
  }

  /** Resolves when nothing is on its way. */
  async settled(): Promise<void> {
    await this.#sending;
  }

  async #send(): Promise<void> {
    // A tick later, so that what one read finds goes together.
    await Promise.resolve();
    while (this.#pending.size > 0) {
      const batch = [...this.#pending].slice(0, 100);
      try {
        const changes = batch.map(([, value]) => ({ case: "queueRepair" as const, value }));
        await this.#commits.outcomes(changes, newCall());
        this.#onQueued();
      } catch (error) {
        this.#log.warn({ err: error, copies: batch.length }, "bad copies could not be queued for repair");
      }
      for (const [name] of batch) this.#pending.delete(name);
    }
  }
}
