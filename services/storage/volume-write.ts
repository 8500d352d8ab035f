import { CairnError } from "../common/errors/cairn-error";
import { fileBytesOf } from "./blob-format";
import type { BlobSummary, BlobWriter } from "./engine";
import type { Reservation, SpaceLedger } from "./space-ledger";
import type { Standing } from "./standing";

type VolumeWriteParts = {
  readonly volumeId: string;
  readonly writer: BlobWriter;
  /** As the header said it, if it did. */
  readonly sizeBytes: number | undefined;
  readonly reservation: Reservation;
  readonly standing: Standing;
  readonly translate: (error: unknown) => Promise<unknown>;
};

/** A write in progress with the room that it holds. It ends by `finish` or by `abort`, whatever happens. */
export class VolumeWrite {
  readonly #parts: VolumeWriteParts;
  #receivedBytes = 0;
  #finished = false;

  constructor(parts: VolumeWriteParts) {
    this.#parts = parts;
  }

  static reserve(ledger: SpaceLedger, sizeBytes: number | undefined): Reservation | undefined {
    return ledger.reserve(fileBytesOf(sizeBytes ?? 0));
  }

  get volumeId(): string {
    return this.#parts.volumeId;
  }

  /** Undefined when the chunk was taken at once. */
  append(chunk: Uint8Array): Promise<void> | undefined {
    const { sizeBytes, reservation, standing, writer, translate } = this.#parts;
    this.#receivedBytes += chunk.length;
    if (sizeBytes !== undefined && this.#receivedBytes > sizeBytes)
      throw new CairnError("SIZE_MISMATCH", {
        message: `More than the ${sizeBytes} bytes came that were said.`,
      });
    if (sizeBytes === undefined && !reservation.grow(chunk.length)) throw standing.fullError();
    return writer.append(chunk)?.catch(async (error: unknown) => {
      throw await translate(error);
    });
  }

  /** Resolves when the replica is synced (I1). */
  async finish(summary: BlobSummary): Promise<void> {
    const { sizeBytes, reservation, standing, writer, translate } = this.#parts;
    if (sizeBytes !== undefined && sizeBytes !== summary.sizeBytes)
      throw new CairnError("SIZE_MISMATCH", {
        message: `The header said ${sizeBytes} bytes, the finish ${summary.sizeBytes}.`,
      });
    try {
      await writer.finish(summary);
    } catch (error) {
      throw await translate(error);
    }
    this.#finished = true;
    reservation.settle(fileBytesOf(this.#receivedBytes));
    // The disk has failed another write meanwhile: nothing of it is acknowledged any more (P9).
    if (standing.isFenced) throw standing.fencedError();
  }

  /** Leaves nothing of an unfinished write; after finish it does nothing. Never rejects. */
  async abort(): Promise<void> {
    if (this.#finished) return;
    await this.#parts.writer.abort();
    this.#parts.reservation.settle(0);
  }
}
