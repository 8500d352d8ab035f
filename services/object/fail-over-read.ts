import { type BlobPlaces, type Copy, CopyState } from "../../gen/cairn/metadata/v1/metadata_pb";
import { VolumeState } from "../../gen/cairn/storage/v1/storage_pb";
import { CairnError, hasReason, toCairnError } from "../common/errors/cairn-error";
import { type Call, throwIfEnded } from "../common/rpc/call";
import type { Clock } from "../common/time/clock";
import type { ClusterView, StorageClient } from "./cluster-view";
import type { ReadLimits } from "./config";
import type { ObjectMetrics } from "./metrics";
import type { Slice } from "./plan-read";
import { ReplicaRead, type ReplicaReading } from "./read-replica";
import { SmallReplicaRead } from "./read-small-replica";
import type { RepairReports } from "./repair-reports";
import { type ReadableCopy, readOrder } from "./replica-choice";
import type { WatchLoop } from "./watch-loop";
import { smallBlobBytes } from "./write-small-blob";

export type ReadDependencies = {
  readonly cluster: ClusterView;
  readonly watch: WatchLoop;
  readonly clock: Clock;
  readonly random: () => number;
  readonly limits: ReadLimits;
  readonly reports: RepairReports;
  readonly metrics: ObjectMetrics;
};

type Choice = ReadableCopy & { readonly client: StorageClient };

/**
 * The bytes of slices, in order, from whichever replicas can give them: when one fails, stalls or lacks the blob,
 * another goes on from the same offset, and the receiver notices nothing.
 */
export class FailOverRead {
  readonly #deps: ReadDependencies;
  readonly #slices: Iterator<Slice>;
  readonly #copies = new Map<string, readonly Copy[]>();
  readonly #lookUpAgain: () => Promise<readonly BlobPlaces[] | undefined>;
  readonly #call: Call;
  /** What is still to come of the slice that is being read. */
  #rest: Slice | undefined;
  /** The copies of its blob that were not tried yet, best first. */
  #choices: Choice[] = [];
  /** Those that were too slow or could not be reached, for a second try when nothing else is left; then undefined. */
  #slow: Choice[] | undefined = [];
  #replica: { readonly choice: Choice; readonly read: ReplicaReading } | undefined;
  /** A node answered that it does not hold the blob. */
  #lacked = false;
  #lookedUp = false;
  #lastError: CairnError | undefined;

  /**
   * `lookUpAgain` gives the places afresh; it is asked once, when a node lacked a blob and no other copy helped (P6),
   * and may answer undefined when the version is gone.
   */
  constructor(
    deps: ReadDependencies,
    slices: readonly Slice[],
    places: readonly BlobPlaces[],
    lookUpAgain: () => Promise<readonly BlobPlaces[] | undefined>,
    call: Call,
  ) {
    this.#deps = deps;
    this.#slices = slices[Symbol.iterator]();
    this.#lookUpAgain = lookUpAgain;
    this.#call = call;
    this.#know(places);
  }

  /** The next bytes; undefined when all slices were read. Throws DATA_UNAVAILABLE when no copy can go on. */
  async next(): Promise<Uint8Array | undefined> {
    while (true) {
      const replica = this.#replica ?? (await this.#nextReplica());
      if (replica === undefined) return undefined;
      let chunk: Uint8Array | undefined;
      try {
        chunk = await replica.read.next();
      } catch (error) {
        this.end();
        this.#failed(replica.choice, toCairnError(error));
        continue;
      }
      if (chunk !== undefined) {
        this.#take(chunk.length);
        return chunk;
      }
      this.end();
      this.#rest = undefined;
    }
  }

  /** Gives up what is being read; idempotent. */
  end(): void {
    this.#replica?.read.close();
    this.#replica = undefined;
  }

  /** Whoever shall be read from next: another copy of the same blob, or a copy of the next one. */
  async #nextReplica(): Promise<{ choice: Choice; read: ReplicaReading } | undefined> {
    // A copy that failed behind its last byte has given everything.
    if (this.#rest === undefined || this.#rest.lengthBytes === 0) {
      const next = this.#slices.next();
      if (next.done) return undefined;
      this.#begin(next.value);
    }
    throwIfEnded(this.#call);
    const rest = this.#rest as Slice;
    let choice = this.#choices.shift();
    if (choice === undefined && this.#slow !== undefined) {
      this.#choices = this.#slow;
      this.#slow = undefined;
      choice = this.#choices.shift();
    }
    if (choice === undefined) {
      await this.#lookUp(rest);
      choice = this.#choices.shift();
      if (choice === undefined) throw this.#unavailable(rest);
    }
    const { watch, clock, limits } = this.#deps;
    const others = this.#slow !== undefined && this.#choices.length > 0;
    const stallMs = others ? limits.stallMs : limits.lastStallMs;
    const deps = { watch, clock, stallMs };
    const Read = rest.lengthBytes <= smallBlobBytes ? SmallReplicaRead : ReplicaRead;
    this.#replica = { choice, read: new Read(deps, choice.client, choice.volumeId, rest, this.#call) };
    return this.#replica;
  }

  #begin(slice: Slice): void {
    this.#rest = slice;
    this.#slow = [];
    this.#choices = readOrder(this.#known(this.#copies.get(slice.blobId) ?? []), this.#deps.random);
    // Copies may have moved since the lookup, so not knowing any is as good as a node that lacks it.
    this.#lacked = this.#choices.length === 0;
  }

  #take(lengthBytes: number): void {
    const { blobId, offsetBytes, lengthBytes: restBytes } = this.#rest as Slice;
    this.#rest = { blobId, offsetBytes: offsetBytes + lengthBytes, lengthBytes: restBytes - lengthBytes };
  }

  /** Throws when it was asked before or cannot help. */
  async #lookUp(rest: Slice): Promise<void> {
    const fresh = this.#lookedUp || !this.#lacked ? undefined : await this.#lookUpAgain();
    this.#lookedUp = true;
    if (fresh === undefined) throw this.#unavailable(rest);
    this.#know(fresh);
    this.#begin(rest);
  }

  #unavailable(rest: Slice): CairnError {
    return new CairnError("DATA_UNAVAILABLE", { resource: rest.blobId, cause: this.#lastError });
  }

  #know(places: readonly BlobPlaces[]): void {
    for (const { blobId, copies } of places) this.#copies.set(blobId, copies);
  }

  #failed(choice: Choice, error: CairnError): void {
    throwIfEnded(this.#call);
    this.#lastError = error;
    const { blobId } = this.#rest as Slice;
    const { volumeId } = choice;
    if (hasReason(error, "NO_SUCH_BLOB", "NO_SUCH_VOLUME", "DAMAGED_BLOB")) {
      this.#lacked ||= error.reason !== "DAMAGED_BLOB";
      const known = choice.state === CopyState.BAD || error.reason === "NO_SUCH_VOLUME";
      if (!known) this.#deps.reports.report({ blobId, volumeId });
      this.#deps.metrics.failovers.inc({ why: error.reason === "DAMAGED_BLOB" ? "damaged" : "missing" });
      return;
    }
    // Slow or unreachable is not bad: only avoided for a while (P9).
    this.#slow?.push(choice);
    this.#deps.cluster.avoidReads(volumeId, this.#deps.limits.avoidMs);
    this.#deps.metrics.failovers.inc({ why: "unavailable" });
  }

  #known(copies: readonly Copy[]): Choice[] {
    const known: Choice[] = [];
    for (const { volumeId, state } of copies) {
      const volume = this.#deps.cluster.volume(volumeId);
      if (volume === undefined) continue;
      const suspended = volume.state === VolumeState.SUSPENDED;
      const avoided = suspended || this.#deps.cluster.readsAvoided(volumeId);
      known.push({ volumeId, state, alive: volume.node.alive, avoided, client: volume.node.client });
    }
    return known;
  }
}
