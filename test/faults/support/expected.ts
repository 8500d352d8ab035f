/** What a name stands for: the MD5 of its content, or that it is not there. */
export type Value = string;
export const absent = "absent";

/**
 * All that a name may stand for. Usually that is one value; a request whose outcome nobody knows adds its own, and
 * then each of them is right, but nothing else: a mixture of two is damage, a lost acknowledgement too.
 */
export class Expected {
  #possible: Set<Value>;

  constructor(first: Value = absent) {
    this.#possible = new Set([first]);
  }

  /** The one value that it must be; undefined when an outcome is unknown. */
  get sure(): Value | undefined {
    const [only, ...others] = this.#possible;
    return others.length === 0 ? only : undefined;
  }

  get possible(): readonly Value[] {
    return [...this.#possible];
  }

  allows(value: Value): boolean {
    return this.#possible.has(value);
  }

  acknowledged(...values: Value[]): void {
    this.#possible = new Set(values);
  }

  maybe(value: Value): void {
    this.#possible.add(value);
  }
}
