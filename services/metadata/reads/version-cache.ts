import type {
  Command,
  GetVersionRequest,
  GetVersionResponse,
  Outcome,
} from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { Change } from "../commit/handler";

/** About 2 KiB each: 16 MiB in all. */
const mostEntries = 8192;
/** Versions in more pieces are large: what a look-up costs does not matter there. */
const mostExtents = 4;

type Entry = { readonly head: GetVersionResponse; readonly whole: GetVersionResponse | undefined };

/**
 * Answers about current versions, kept until a command that may change them begins; for an engine that one process
 * alone writes to. From the moment a command begins until its transaction has ended nothing is answered from here
 * or kept for what it names, so that a reader never sees less than another saw before it (I5).
 */
export class VersionCache {
  readonly #entries = new Map<string, Entry>();
  /** Names, and "" for all, by how many running transactions may change them. */
  readonly #changing = new Map<string, number>();
  #begun = 0;

  find(request: GetVersionRequest): GetVersionResponse | undefined {
    const { bucketId, key, versionId, headOnly } = request;
    if (versionId !== "" || this.#entries.size === 0) return undefined;
    const name = nameOf(bucketId, key);
    const entry = this.#entries.get(name);
    const answer = headOnly ? entry?.head : entry?.whole;
    if (entry === undefined || answer === undefined) return undefined;
    // Of several extents a range touches some.
    if (answer.extents.length > 1 && !asksForAll(request)) return undefined;
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    return answer;
  }

  /** To be asked for before the engine is read, and given to `keep`. */
  get ticket(): number {
    return this.#begun;
  }

  /** Keeps what the engine answered, unless a change began since the ticket or is running. */
  keep(request: GetVersionRequest, answer: GetVersionResponse, ticket: number): void {
    const { bucketId, key, versionId, headOnly } = request;
    if (versionId !== "" || ticket !== this.#begun || answer.extents.length > mostExtents) return;
    const name = nameOf(bucketId, key);
    if (this.#changing.has("") || this.#changing.has(name)) return;
    const isWhole = !headOnly && asksForAll(request);
    if (!isWhole && !headOnly) return;
    if (this.#entries.size >= mostEntries) {
      const oldest = this.#entries.keys().next().value;
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    const head = isWhole ? { ...answer, extents: [], blobs: [], extentsOffsetBytes: 0n } : answer;
    this.#entries.set(name, { head, whole: isWhole ? answer : undefined });
  }

  /** Something else has changed, or may have. */
  forgetAll(): void {
    this.#begun += 1;
    this.#entries.clear();
  }

  /**
   * Commands are about to be decided; call what it gives when their transaction has ended, with the outcomes if
   * there are any.
   */
  begin(commands: readonly Command[]): (outcomes: readonly unknown[]) => void {
    this.#begun += 1;
    const names = commands.flatMap((command) => changedBy(command.change as Change));
    for (const name of names) {
      this.#changing.set(name, (this.#changing.get(name) ?? 0) + 1);
      if (name === "") this.#entries.clear();
      else this.#entries.delete(name);
    }
    return (outcomes) => {
      // Copies that were condemned are no place to read from; which versions they belong to is not said.
      if (outcomes.some(condemnedSome)) this.#entries.clear();
      for (const name of names) {
        const left = (this.#changing.get(name) ?? 1) - 1;
        if (left === 0) this.#changing.delete(name);
        else this.#changing.set(name, left);
      }
    };
  }
}

function condemnedSome(outcome: unknown): boolean {
  const { result } = outcome as Partial<Outcome>;
  return result?.case === "deletes" && result.value.pairs.length > 0;
}

function asksForAll({ offsetBytes, lengthBytes }: GetVersionRequest): boolean {
  return (offsetBytes ?? 0n) === 0n && lengthBytes === undefined;
}

/** A bucket's id holds no slash. */
function nameOf(bucketId: string, key: string): string {
  return `${bucketId}/${key}`;
}

/** The names about whose versions a change may make another answer; "" for any. */
function changedBy(change: Change): string[] {
  switch (change.case) {
    case "putVersion":
    case "deleteVersion":
      return [nameOf(change.value.bucketId, change.value.key)];
    // About what is no current version: uploads, leases, walks, and bytes that no version names (P6).
    case "createBucket":
    case "createUpload":
    case "addPart":
    case "renewUpload":
    case "abortUpload":
    case "registerNode":
    case "holdLease":
    case "endLease":
    case "takeRepairs":
    case "takeDeletes":
    case "finishDeletes":
    case "condemnOrphans":
    case "purge":
    case "startWalks":
    case "takeWalk":
    case "saveWalk":
      return [];
    // Buckets' state and version, copies' places and states.
    default:
      return [""];
  }
}
