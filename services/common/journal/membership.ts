import { quorum } from "./members";

/** A folder that is written to, as far as membership asks. */
export type WrittenFolder = {
  readonly member: string;
  /** The last record that lies synced there. */
  readonly durable: number;
  readonly failure: Error | undefined;
};

/**
 * Which folders count (P5), and the one change of them that may be under way: a new member counts once the record that
 * names it is synced in it and in all that stay. Who left never counts again.
 */
export class Membership {
  #members: readonly string[] = [];
  #joining: { readonly members: readonly string[]; readonly number: number } | undefined;

  get members(): readonly string[] {
    return this.#members;
  }

  /** A change is under way: there is none beside it. */
  get isChanging(): boolean {
    return this.#joining !== undefined;
  }

  /** Those that count once the change under way is through. */
  get next(): readonly string[] {
    return this.#joining?.members ?? this.#members;
  }

  /** A start has found who counts. */
  begin(members: readonly string[]): void {
    this.#members = members;
    this.#joining = undefined;
  }

  counted<T extends WrittenFolder>(folders: readonly T[]): T[] {
    return folders.filter(({ member }) => this.#members.includes(member));
  }

  /**
   * Who counts when `member` does: in the place of one that is not written any more, or of `leaving`. Undefined when
   * that would have to wait: someone may be sent away only while enough others are written.
   */
  propose(
    member: string,
    leaving: string | undefined,
    folders: readonly WrittenFolder[],
  ): readonly string[] | undefined {
    const written = this.counted(folders).filter(({ failure }) => failure === undefined);
    const stay = written.map((folder) => folder.member).filter((known) => known !== leaving);
    return leaving !== undefined && stay.length < quorum ? undefined : [...stay, member];
  }

  /** A record with this number names them. */
  change(members: readonly string[], number: number): void {
    this.#joining = { members, number };
  }

  /** To be called when more is durable: ends the change under way once its record is where it must be. */
  settle(folders: readonly WrittenFolder[]): void {
    const joining = this.#joining;
    if (joining === undefined) return;
    const there = folders.filter(({ member }) => joining.members.includes(member));
    if (there.length < joining.members.length) return;
    if (there.some(({ durable }) => durable < joining.number)) return;
    this.#members = joining.members;
    this.#joining = undefined;
  }
}
