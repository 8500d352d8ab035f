import { z } from "zod";
import type { Logger } from "../common/log/logger";
import type { Disk } from "./disk";
import { readText, replaceFile } from "./replace-file";

export const scrubFileName = "scrub.json";
const format = 1;
/** Behind every blob id: where the last range of a walk ends. */
export const lastBlobId = "ffffffff-ffff-ffff-ffff-ffffffffffff";

const schema = z.object({
  format: z.literal(format),
  handledThroughBlobId: z.string(),
  passStartedAtMs: z.number(),
  passBlobs: z.number(),
  passBytes: z.number(),
  passDamaged: z.number(),
  lastPassAtMs: z.number().optional(),
});

export type ScrubProgress = Omit<z.infer<typeof schema>, "format">;

/** A range that was given out. */
export type GivenRange = {
  readonly afterBlobId: string;
  readonly throughBlobId: string;
  readonly blobs: number;
  readonly bytes: number;
  readonly damaged: number;
};

/**
 * Where a volume's scrub walk is, kept in scrub.json. It moves on only when the caller says that a range's damage is
 * dealt with: a crash in between repeats the range instead of forgetting what it showed.
 */
export class ScrubPosition {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #log: Logger;
  #progress: ScrubProgress;
  #given: GivenRange | undefined;

  private constructor(disk: Disk, folder: string, log: Logger, progress: ScrubProgress) {
    this.#disk = disk;
    this.#folder = folder;
    this.#log = log;
    this.#progress = progress;
  }

  /** A position that cannot be read is the beginning: nothing is lost by reading again. */
  static async load(disk: Disk, folder: string, log: Logger, nowMs: number): Promise<ScrubPosition> {
    const text = await readText(disk, `${folder}/${scrubFileName}`).catch(() => undefined);
    return new ScrubPosition(disk, folder, log, parseScrubFile(text) ?? beginning(nowMs));
  }

  get progress(): ScrubProgress {
    return this.#progress;
  }

  given(range: GivenRange): void {
    this.#given = range;
  }

  /** Moves on when `throughBlobId` ends the range that was given out last; anything else changes nothing. */
  async handled(throughBlobId: string, nowMs: number): Promise<void> {
    const range = this.#given;
    if (range?.throughBlobId !== throughBlobId) return;
    if (range.afterBlobId !== this.#progress.handledThroughBlobId) return;
    this.#given = undefined;
    this.#progress = movedOn(this.#progress, range, nowMs);
    try {
      const text = `${JSON.stringify({ format, ...this.#progress }, undefined, 2)}\n`;
      await replaceFile(this.#disk, this.#folder, scrubFileName, text);
    } catch (error) {
      // A fenced volume is scrubbed too: from the beginning again after a restart.
      this.#log.debug({ err: error }, "the position of the scrub was not written down");
    }
  }
}

function beginning(nowMs: number): ScrubProgress {
  return { handledThroughBlobId: "", passStartedAtMs: nowMs, passBlobs: 0, passBytes: 0, passDamaged: 0 };
}

function movedOn(before: ScrubProgress, range: GivenRange, nowMs: number): ScrubProgress {
  if (range.throughBlobId === lastBlobId) return { ...beginning(nowMs), lastPassAtMs: nowMs };
  return {
    ...before,
    handledThroughBlobId: range.throughBlobId,
    passBlobs: before.passBlobs + range.blobs,
    passBytes: before.passBytes + range.bytes,
    passDamaged: before.passDamaged + range.damaged,
  };
}

/** Undefined when it is not there or not understood. */
export function parseScrubFile(text: string | undefined): ScrubProgress | undefined {
  if (text === undefined) return undefined;
  try {
    const { format: _, ...progress } = schema.parse(JSON.parse(text));
    return progress;
  } catch {
    return undefined;
  }
}
