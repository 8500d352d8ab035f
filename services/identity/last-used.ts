import { startWorker, type Worker } from "../common/lifecycle/worker";
import type { Logger } from "../common/log/logger";
import type { Clock } from "../common/time/clock";
import type { Stores } from "./store";

const maxKeys = 100_000;
const batchKeys = 500;

/**
 * When keys were last used, written in the background and together: a request never waits for it, and a lost minute
 * harms nobody. Of more than 100,000 keys in one interval the rest is left for their next use (I7).
 */
export class LastUsed {
  readonly #stores: Stores;
  readonly #usedAtMs = new Map<string, number>();
  readonly #worker: Worker;

  constructor(options: { stores: Stores; clock: Clock; log: Logger; everyMs: number }) {
    this.#stores = options.stores;
    this.#worker = startWorker({
      name: "identity-last-used",
      clock: options.clock,
      log: options.log,
      idleMs: options.everyMs,
      step: () => this.#write(),
    });
  }

  note(keyId: string, atMs: number): void {
    if (this.#usedAtMs.size < maxKeys || this.#usedAtMs.has(keyId)) this.#usedAtMs.set(keyId, atMs);
  }

  /** Writes what is noted. True when more than a batch is waiting. */
  async #write(): Promise<boolean> {
    const batch = new Map([...this.#usedAtMs].slice(0, batchKeys));
    if (batch.size === 0) return false;
    const left = new Set(await this.#stores.transaction((store) => store.touchApiKeys(batch)));
    for (const [id, atMs] of batch) {
      // A key that was not found is gone or locked; its next use notes it again.
      if (left.has(id) || this.#usedAtMs.get(id) === atMs) this.#usedAtMs.delete(id);
    }
    return this.#usedAtMs.size >= batchKeys;
  }

  /** Writes what is left, as far as the database is there. */
  async close(): Promise<void> {
    await this.#worker.close();
    await this.#write().catch(() => false);
  }
}
