import { newId } from "../common/ids/uuid";
import type { Logger } from "../common/log/logger";
import { newCall } from "../common/rpc/call";
import type { Commits } from "./commit";
import type { Watched, WatchLoop } from "./watch-loop";

export type LeaseDependencies = {
  readonly commits: Commits;
  readonly watch: WatchLoop;
  readonly nowMs: () => number;
  readonly deleteGraceMs: number;
  readonly log: Logger;
};

const maxTtlMs = 3_600_000;

/**
 * Keeps a long read's blobs from condemnation (P6): once the read has taken half the delete grace, a lease is held
 * and renewed until `end`. Looked after by the watch loop, as a slow receiver lets the read itself sleep. A short read
 * never asks for anything.
 */
export class ReadLease implements Watched {
  readonly #deps: LeaseDependencies;
  readonly #blobIds: readonly string[];
  /** There from when the lease is first held. */
  #leaseId = "";
  #dueAtMs: number;
  #held = false;
  /** Settles when the last word of holding it has been answered. */
  #holding: Promise<unknown> = Promise.resolve();
  #ended = false;

  constructor(deps: LeaseDependencies, blobIds: readonly string[]) {
    this.#deps = deps;
    this.#blobIds = [...new Set(blobIds)];
    this.#dueAtMs = deps.nowMs() + deps.deleteGraceMs / 2;
    if (blobIds.length > 0) deps.watch.add(this);
  }

  check(nowMs: number): void {
    if (nowMs < this.#dueAtMs || this.#ended) return;
    const ttlMs = Math.min(Math.max(this.#deps.deleteGraceMs, 60_000), maxTtlMs);
    this.#dueAtMs = nowMs + Math.min(ttlMs, this.#deps.deleteGraceMs) / 2;
    if (!this.#held) this.#leaseId = newId();
    this.#held = true;
    const value = { leaseId: this.#leaseId, blobIds: [...this.#blobIds], ttlMs: BigInt(Math.ceil(ttlMs)) };
    this.#holding = this.#deps.commits.apply({ case: "holdLease", value }, newCall()).catch((error) => {
      this.#deps.log.warn({ err: error }, "the lease of a long read was not renewed");
    });
  }

  end(): void {
    this.#ended = true;
    this.#deps.watch.delete(this);
    if (!this.#held) return;
    const value = { leaseId: this.#leaseId };
    // Never before it: a lease that is held behind its end would keep its blobs until it ends by itself.
    this.#holding
      .then(() => this.#deps.commits.apply({ case: "endLease", value }, newCall()))
      .catch((error) => {
        this.#deps.log.debug({ err: error }, "a read lease is left to end by itself");
      });
  }
}
