import type { Disk } from "./disk";
import { type VolumeRecord, writeVolumeFile } from "./volume-file";

/** What a volume remembers: in memory what is durable in its volume.json, changed one change after the other. */
export class VolumeMemory {
  readonly #folder: string;
  readonly #disk: Disk;
  #record: VolumeRecord;
  #last: Promise<unknown> = Promise.resolve();

  constructor(disk: Disk, folder: string, record: VolumeRecord) {
    this.#disk = disk;
    this.#folder = folder;
    this.#record = record;
  }

  get record(): VolumeRecord {
    return this.#record;
  }

  /** Applies `decide` to what is remembered; durable when it resolves. The same record back writes nothing. */
  update(decide: (record: VolumeRecord) => VolumeRecord, disk = this.#disk): Promise<void> {
    const turn = async () => {
      const next = decide(this.#record);
      if (next === this.#record) return;
      await writeVolumeFile(disk, this.#folder, next);
      this.#record = next;
    };
    const done = this.#last.then(turn, turn);
    this.#last = done.catch(() => {});
    return done;
  }

  async settled(): Promise<void> {
    await this.#last;
  }
}
