/** A record on its way to the folders; with the block that begins its file when it is the first of one. */
export type RecentRecord = {
  readonly number: number;
  readonly bytes: Buffer;
  readonly begins: { readonly name: string; readonly header: Buffer } | undefined;
};

/**
 * The last records, kept for folders that are still to write them. Bounded (I7): a folder further behind is dropped
 * and levelled from files later. One record is kept whatever its size.
 */
export class RecentRecords {
  readonly #maxBytes: number;
  #records: RecentRecord[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(record: RecentRecord): void {
    this.#records.push(record);
    this.#bytes += record.bytes.length;
    let gone = 0;
    while (this.#bytes > this.#maxBytes && gone < this.#records.length - 1) {
      this.#bytes -= (this.#records[gone] as RecentRecord).bytes.length;
      gone += 1;
    }
    if (gone > 0) this.#records = this.#records.slice(gone);
  }

  /** Those behind `number`; "gone" when the next one is not kept any more. */
  after(number: number): readonly RecentRecord[] | "gone" {
    const first = this.#records[0]?.number;
    if (first === undefined) return [];
    if (first > number + 1) return "gone";
    return this.#records.slice(number + 1 - first);
  }
}
