import { type BlobPlaces, type Copy, CopyState } from "../../gen/cairn/metadata/v1/metadata_pb";
import { VolumeState } from "../../gen/cairn/storage/v1/storage_pb";
import { CairnError, hasReason, toCairnError } from "../common/errors/cairn-error";
import { type Call, throwIfEnded } from "../common/rpc/call";
import type { Clock } from "../common/time/clock";
import type { ClusterView, StorageClient } from "./cluster-view";
import type { ReadLimits } from "./config";
import type { ObjectMetrics } from "./metrics";
import type { Slice } from "./plan-read";
import { ReplicaRead } from "./read-replica";
import type { RepairReports } from "./repair-reports";
import { type ReadableCopy, readOrder } from "./replica-choice";
import type { WatchLoop } from "./watch-loop";

export type ReadDependencies = {
  readonly cluster: ClusterView;
  readonly watch: WatchLoop;
  readonly clock: Clock;
  readonly random: () => number;
  readonly limits: ReadLimits;
  readonly reports: RepairReports;
  readonly metrics: ObjectMetrics;
};

/**
 * The bytes of slices, in order, from whichever replicas can give them: when one fails, stalls or lacks the blob,
 * another goes on from the same offset, and the receiver notices nothing. `lookUpAgain` gives the places afresh; it
 * is asked once, when a node lacked a blob and no other copy helped (P6), and may answer undefined when the version
 * is gone. Throws DATA_UNAVAILABLE when no copy can go on.
 */
export async function* readSlices(
  deps: ReadDependencies,
  slices: readonly Slice[],
  places: readonly BlobPlaces[],
  lookUpAgain: () => Promise<readonly BlobPlaces[] | undefined>,
  call: Call,
): AsyncGenerator<Uint8Array> {
  const copies = new Map(places.map((place) => [place.blobId, place.copies]));
  let lookedUp = false;
  for (const slice of slices) {
    let rest = slice;
    while (rest.lengthBytes > 0) {
      const reader = new SliceReader(deps, rest, copies.get(rest.blobId) ?? [], call);
      for await (const chunk of reader.read()) {
        rest = {
          ...rest,
          offsetBytes: rest.offsetBytes + chunk.length,
          lengthBytes: rest.lengthBytes - chunk.length,
        };
        yield chunk;
      }
      if (rest.lengthBytes === 0) break;
      const fresh = lookedUp || !reader.lacked ? undefined : await lookUpAgain();
      lookedUp = true;
      if (fresh === undefined) {
        throw new CairnError("DATA_UNAVAILABLE", { resource: rest.blobId, cause: reader.lastError });
      }
      for (const place of fresh) copies.set(place.blobId, place.copies);
    }
  }
}

type Choice = ReadableCopy & { readonly client: StorageClient };

/** Tries the copies of one blob in turn; ends early, without throwing, when none is left. */
class SliceReader {
  readonly #deps: ReadDependencies;
  readonly #call: Call;
  readonly #choices: Choice[];
  #rest: Slice;
  /** A node answered that it does not hold the blob. */
  lacked = false;
  lastError: CairnError | undefined;

  constructor(deps: ReadDependencies, slice: Slice, copies: readonly Copy[], call: Call) {
    this.#deps = deps;
    this.#call = call;
    this.#rest = slice;
    this.#choices = readOrder(this.#known(copies), deps.random);
    // Copies may have moved since the lookup, so not knowing any is as good as a node that lacks it.
    this.lacked = this.#choices.length === 0;
  }

  async *read(): AsyncGenerator<Uint8Array> {
    for (const choice of this.#choices) {
      throwIfEnded(this.#call);
      const { watch, clock, limits } = this.#deps;
      const replica = new ReplicaRead(
        { watch, clock, stallMs: limits.stallMs },
        choice.client,
        choice.volumeId,
        this.#rest,
        this.#call,
      );
      try {
        while (true) {
          let chunk: Uint8Array | undefined;
          try {
            chunk = await replica.next();
          } catch (error) {
            this.#failed(choice, toCairnError(error));
            break;
          }
          if (chunk === undefined) return;
          const { blobId, offsetBytes, lengthBytes } = this.#rest;
          this.#rest = {
            blobId,
            offsetBytes: offsetBytes + chunk.length,
            lengthBytes: lengthBytes - chunk.length,
          };
          yield chunk;
        }
      } finally {
        replica.close();
      }
      if (this.#rest.lengthBytes === 0) return;
    }
  }

  #failed(choice: Choice, error: CairnError): void {
    throwIfEnded(this.#call);
    this.lastError = error;
    const { blobId } = this.#rest;
    const { volumeId } = choice;
    if (hasReason(error, "NO_SUCH_BLOB", "NO_SUCH_VOLUME", "DAMAGED_BLOB")) {
      this.lacked ||= error.reason !== "DAMAGED_BLOB";
      const known = choice.state === CopyState.BAD || error.reason === "NO_SUCH_VOLUME";
      if (!known) this.#deps.reports.report({ blobId, volumeId });
      this.#deps.metrics.failovers.inc({ why: error.reason === "DAMAGED_BLOB" ? "damaged" : "missing" });
      return;
    }
    // Slow or unreachable is not bad: only avoided for a while (P9).
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
