/** What an operation did to one register (a key's current version, a bucket's name), as its client knows it. */
export type Effect =
  /** Saw this value. */
  | { readonly kind: "read"; readonly value: string }
  /** Made this the value; `when` had to hold of the value before. */
  | { readonly kind: "write"; readonly value: string; readonly when?: Condition }
  /** Was refused because the condition did not hold. */
  | { readonly kind: "refused"; readonly when: Condition };

export type Condition =
  | { readonly is: "absent" }
  /** Anything but `closed` and `absent`. */
  | { readonly is: "present" }
  | { readonly is: "value"; readonly value: string };

/** No version under the key, no bucket of the name. */
export const absent = "-";
/** The bucket that held the key is gone, for ever. */
export const closed = "#";
/** Written by a copy whose answer never came: whatever its source held. */
export const unknown = "?";

export type Entry = {
  readonly effect: Effect;
  readonly invokedAt: number;
  /** Infinity: no answer came; it took effect at any time since, or never will. */
  readonly returnedAt: number;
  /** For people. */
  readonly told: string;
};

/** The operations on every register. */
export class Histories {
  readonly registers = new Map<string, Entry[]>();

  add(register: string, entry: Entry): void {
    const entries = this.registers.get(register);
    if (entries === undefined) this.registers.set(register, [entry]);
    else entries.push(entry);
  }
}
