/** One command that waits, and who waits for it. */
type Waiting<C, R> = {
  readonly command: C;
  readonly alone: boolean;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
};

export type GroupCommitOptions<C, R> = {
  /** Runs commands in one transaction; gives a result each, in order. Durable when it resolves. */
  readonly run: (commands: readonly C[]) => Promise<readonly R[]>;
  /** True for errors after which nothing else may be tried: the engine is away, or the outcome unknown. */
  readonly isFatal: (error: unknown) => boolean;
  readonly batchCommands: number;
  readonly transactionsAtOnce: number;
  readonly maxWaiting: number;
  /** What is thrown at a caller when too many wait (I7). */
  readonly overloaded: () => Error;
};

/**
 * Commands that wait together share a transaction: while one commits, the next gathers. No timers, so that a lone
 * command waits for nobody. A batch that fails is tried again one by one (P4): one bad command harms no other.
 */
export class GroupCommit<C, R> {
  readonly #options: GroupCommitOptions<C, R>;
  #waiting: Waiting<C, R>[] = [];
  #running = 0;
  #idle: (() => void)[] = [];
  #scheduled = false;

  constructor(options: GroupCommitOptions<C, R>) {
    this.#options = options;
  }

  submit(command: C, alone: boolean): Promise<R> {
    if (this.#waiting.length >= this.#options.maxWaiting) return Promise.reject(this.#options.overloaded());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ command, alone, resolve, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      // The rest of this turn's commands come along.
      setImmediate(() => {
        this.#scheduled = false;
        this.#start();
      });
    });
  }

  /** Resolves when nothing waits or runs. */
  async drained(): Promise<void> {
    if (this.#running === 0 && this.#waiting.length === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #start(): void {
    while (this.#running < this.#options.transactionsAtOnce && this.#waiting.length > 0) {
      this.#running += 1;
      void this.#runBatch(this.#takeBatch()).then(() => {
        this.#running -= 1;
        this.#start();
        if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve();
      });
    }
  }

  #takeBatch(): Waiting<C, R>[] {
    const firstAlone = this.#waiting.findIndex((waiting) => waiting.alone);
    const together = firstAlone < 0 ? this.#waiting.length : Math.max(firstAlone, 1);
    return this.#waiting.splice(0, Math.min(together, this.#options.batchCommands));
  }

  async #runBatch(batch: Waiting<C, R>[]): Promise<void> {
    try {
      const results = await this.#options.run(batch.map((waiting) => waiting.command));
      for (const [index, waiting] of batch.entries()) waiting.resolve(results[index] as R);
    } catch (error) {
      if (batch.length === 1 || this.#options.isFatal(error)) {
        for (const waiting of batch) waiting.reject(error);
        return;
      }
      for (const waiting of batch) await this.#runBatch([waiting]);
    }
  }
}
