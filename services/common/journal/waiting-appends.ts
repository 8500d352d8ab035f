import type { Position } from "./record";

type Waiting = {
  readonly position: Position;
  readonly resolve: (position: Position) => void;
  readonly reject: (error: unknown) => void;
};

/** Who waits for a record to be durable, in the order of the records. */
export class WaitingAppends {
  #waiting: Waiting[] = [];

  until(position: Position): Promise<Position> {
    return new Promise((resolve, reject) => this.#waiting.push({ position, resolve, reject }));
  }

  /** All up to this record are durable. */
  resolveThrough(number: number): void {
    let done = 0;
    for (const { position, resolve } of this.#waiting) {
      if (position.number > number) break;
      resolve(position);
      done += 1;
    }
    if (done > 0) this.#waiting.splice(0, done);
  }

  rejectAll(error: () => unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error());
  }
}
