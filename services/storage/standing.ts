import { CairnError } from "../common/errors/cairn-error";

/**
 * Whether a volume takes work (P9), and why not.
 * - online: reads and writes.
 * - full: below its reserve; reads and deletes. Opens by itself.
 * - suspended: a call hangs; nothing new. Opens by itself.
 * - fenced: a write or a sync failed; reads only, for ever.
 */
export type VolumeStanding = {
  readonly state: "online" | "full" | "suspended" | "fenced";
  /** For people; empty when online. */
  readonly detail: string;
};

/** The state of one volume. Several causes may hold at once; the gravest is shown. */
export class Standing {
  readonly #volumeId: string;
  readonly #onChange: (standing: VolumeStanding) => void;
  #fenced: string | undefined;
  #suspended: string | undefined;
  #full: string | undefined;

  constructor(volumeId: string, onChange: (standing: VolumeStanding) => void) {
    this.#volumeId = volumeId;
    this.#onChange = onChange;
  }

  get current(): VolumeStanding {
    const hanging = this.#suspended === undefined ? "" : `; ${this.#suspended}`;
    if (this.#fenced !== undefined) return { state: "fenced", detail: this.#fenced + hanging };
    if (this.#suspended !== undefined) return { state: "suspended", detail: this.#suspended };
    if (this.#full !== undefined) return { state: "full", detail: this.#full };
    return { state: "online", detail: "" };
  }

  get isFenced(): boolean {
    return this.#fenced !== undefined;
  }

  get isSuspended(): boolean {
    return this.#suspended !== undefined;
  }

  /** The first cause stays; nothing clears it. True when it was not fenced before. */
  fence(detail: string): boolean {
    if (this.#fenced !== undefined) return false;
    this.#change(() => {
      this.#fenced = detail;
    });
    return true;
  }

  suspend(detail: string): void {
    this.#change(() => {
      this.#suspended = detail;
    });
  }

  resume(): void {
    this.#change(() => {
      this.#suspended = undefined;
    });
  }

  setFull(detail: string | undefined): void {
    if ((detail === undefined) === (this.#full === undefined)) return;
    this.#change(() => {
      this.#full = detail;
    });
  }

  /** Throws VOLUME_FENCED, VOLUME_SUSPENDED or VOLUME_FULL. */
  checkWrites(): void {
    this.checkChanges();
    if (this.#full !== undefined) throw this.#error("VOLUME_FULL", this.#full);
  }

  /** For what frees space or changes the volume's memory: a full volume does it. */
  checkChanges(): void {
    if (this.#fenced !== undefined) throw this.#error("VOLUME_FENCED", this.#fenced);
    this.checkReads();
  }

  /** Throws VOLUME_SUSPENDED. */
  checkReads(): void {
    if (this.#suspended !== undefined) throw this.suspendedError();
  }

  suspendedError(): CairnError {
    return this.#error("VOLUME_SUSPENDED", this.#suspended ?? "a call hangs");
  }

  fencedError(cause?: unknown): CairnError {
    return this.#error("VOLUME_FENCED", this.#fenced ?? "a write failed", cause);
  }

  fullError(cause?: unknown): CairnError {
    return this.#error("VOLUME_FULL", this.#full ?? "no room for this blob", cause);
  }

  #error(
    reason: "VOLUME_FENCED" | "VOLUME_SUSPENDED" | "VOLUME_FULL",
    detail: string,
    cause?: unknown,
  ): CairnError {
    const message = `Volume ${this.#volumeId}: ${detail}.`;
    return new CairnError(reason, {
      message,
      resource: this.#volumeId,
      ...(cause === undefined ? {} : { cause }),
    });
  }

  #change(change: () => void): void {
    const before = this.current;
    change();
    const after = this.current;
    if (before.state !== after.state || before.detail !== after.detail) this.#onChange(after);
  }
}
