import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Kysely } from "kysely";
import type { OutcomeSchema } from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { Logger } from "../../common/log/logger";
import type { Run } from "../../common/sql/database";
import type { MetadataConfig } from "../config";
import { type Runner, statement } from "../store/statement";
import type { BucketRow, ChangeRow, Tables } from "../store/tables";
import type { KnownVersion } from "./known-version";

/** What a command got when it was decided: its place in the order of all changes, and the time. */
export type Stamp = { readonly commandId: string; readonly number: number; readonly atMs: number };

type OutcomeResult = NonNullable<MessageInitShape<typeof OutcomeSchema>["result"]>;

/** A refusal changes nothing (I6); anything else was applied in the batch's transaction. */
export type Decision = {
  readonly result: OutcomeResult;
  /** It stands in the change log under its number. */
  readonly logged?: boolean;
  /** False: nothing was applied that a repeated command must not apply again. */
  readonly keep?: boolean;
};

export const done: Decision = { result: { case: "done", value: {} } };

type UsageDelta = { objects: number; sizeBytes: number; changes: number };

const bucketById = statement<{ bucketId: string }>()((db, mark) =>
  db.selectFrom("buckets").selectAll().where("bucket_id", "=", mark("bucketId")),
);

/**
 * One transaction's worth of commands. Rows that nobody reads back within it (changes, usage, outcomes) gather here
 * and are written together at its end.
 */
export class Batch implements Runner {
  readonly changes: ChangeRow[] = [];
  readonly usage = new Map<string, UsageDelta>();
  /** Owners whose extents go at the end of the batch, by bucket. */
  readonly released: { bucketId: string; owner: number }[] = [];
  /** Current versions that were looked up ahead, kept true by versions.ts. */
  readonly currents = new Map<string, KnownVersion | undefined>();
  readonly #sent: Promise<unknown>[] = [];
  readonly #plans = new Map<object, unknown>();
  readonly #buckets = new Map<string, BucketRow | undefined>();
  #volumeNodes: Map<string, string> | undefined;

  constructor(
    readonly kind: "sqlite" | "postgres",
    readonly db: Kysely<Tables>,
    readonly run: Run,
    readonly nowMs: number,
    readonly config: MetadataConfig,
    readonly log: Logger,
    /** A first try met a row that was there already: look before writing. */
    readonly careful = false,
  ) {}

  /**
   * A write whose answer no decision needs. On PostgreSQL it is under way and the batch goes on: whatever is asked
   * next is answered behind it. `written` waits for all.
   */
  write(answer: unknown[] | Promise<unknown[]>): void {
    if (!(answer instanceof Promise)) return;
    answer.catch(() => {});
    this.#sent.push(answer);
  }

  /** Throws what the first write that failed threw. */
  async written(): Promise<void> {
    for (const answer of this.#sent.splice(0)) await answer;
  }

  /** A bucket that was not deleted. On PostgreSQL its row is locked by now (P4). */
  async bucket(bucketId: string): Promise<BucketRow | undefined> {
    if (!this.#buckets.has(bucketId)) {
      this.#buckets.set(bucketId, (await bucketById(this, { bucketId }))[0]);
    }
    const row = this.#buckets.get(bucketId);
    return row === undefined || row.deleted_at_ms !== null ? undefined : row;
  }

  /** Rows that the locks brought along, or that a command changed. */
  rememberBucket(bucketId: string, row: BucketRow | undefined): void {
    this.#buckets.set(bucketId, row);
  }

  /** The node of each registered volume that was not removed. */
  async volumeNodes(): Promise<ReadonlyMap<string, string>> {
    if (this.#volumeNodes === undefined) {
      const rows = await allVolumes(this, {});
      this.#volumeNodes = new Map(rows.map((row) => [row.volume_id, row.node_id]));
    }
    return this.#volumeNodes;
  }

  /** Candidates of a command that takes what is due: found once, so that what was locked is what is decided. */
  async plan<T>(change: object, make: () => Promise<T>): Promise<T> {
    if (!this.#plans.has(change)) this.#plans.set(change, await make());
    return this.#plans.get(change) as T;
  }

  forgetVolumes(): void {
    this.#volumeNodes = undefined;
  }

  addUsage(bucketId: string, objects: number, sizeBytes: number, changes = 0): void {
    const known = this.usage.get(bucketId) ?? { objects: 0, sizeBytes: 0, changes: 0 };
    known.objects += objects;
    known.sizeBytes += sizeBytes;
    known.changes += changes;
    this.usage.set(bucketId, known);
  }

  /** Writes a line of a bucket's log, for commands that readers see. */
  logChange(stamp: Stamp, bucketId: string, kind: string, key = "", versionId = ""): void {
    this.changes.push({
      number: stamp.number,
      command_id: stamp.commandId,
      bucket_id: bucketId,
      key,
      version_id: versionId,
      kind,
      at_ms: stamp.atMs,
    });
    this.addUsage(bucketId, 0, 0, 1);
  }
}

const allVolumes = statement<Record<never, never>>()((db) =>
  db.selectFrom("volumes").select(["volume_id", "node_id"]).where("removed_at_ms", "is", null),
);
