/** Things that were opened, to be closed in the opposite order. One that fails to close keeps no other open. */
export class Closing {
  readonly #opened: { close(): Promise<void> }[] = [];

  add(part: { close(): Promise<void> }): void {
    this.#opened.push(part);
  }

  /** Closes each once; throws the first failure after all have been tried. */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const part of this.#opened.splice(0).reverse()) {
      await part.close().catch((error) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }
}
