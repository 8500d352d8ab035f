import { CairnError } from "../common/errors/cairn-error";
import type { DependencyHealth } from "../common/lifecycle/running-service";
import type { Clock } from "../common/time/clock";
import type { LostFolder } from "./disk-failure";
import type { Volume } from "./volume";
import type { VolumeWrite } from "./volume-write";

const healthTimeoutMs = 2_000;
const closeTimeoutMs = 5_000;

/** A node: its volumes, and which of them a write goes to. */
export class StorageNode {
  readonly nodeId: string;
  readonly zone: string;
  readonly volumes: readonly Volume[];
  readonly #lost: readonly LostFolder[];
  readonly #clock: Clock;
  readonly #release: () => void;
  readonly #writing = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  constructor(options: {
    readonly nodeId: string;
    readonly zone: string;
    readonly volumes: readonly Volume[];
    /** Folders that it was given and goes on without. */
    readonly lost: readonly LostFolder[];
    readonly clock: Clock;
    /** Gives the folders back. */
    readonly release: () => void;
  }) {
    this.nodeId = options.nodeId;
    this.zone = options.zone;
    this.volumes = options.volumes;
    this.#lost = options.lost;
    this.#clock = options.clock;
    this.#release = options.release;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  /** NO_SUCH_VOLUME. */
  volume(volumeId: string): Volume {
    const volume = this.volumes.find((candidate) => candidate.id === volumeId);
    if (volume === undefined)
      throw new CairnError("NO_SUCH_VOLUME", {
        message: `Node ${this.nodeId} has no volume ${volumeId}.`,
        resource: volumeId,
      });
    return volume;
  }

  /** Begins a write on the named volume, or with "" on the one that has the blob already or the most room. */
  async beginWrite(blobId: string, volumeId: string, sizeBytes: number | undefined): Promise<VolumeWrite> {
    if (this.#closed !== undefined) throw new CairnError("SHUTTING_DOWN");
    const volume = volumeId === "" ? await this.#choose(blobId) : this.volume(volumeId);
    return volume.beginWrite(blobId, sizeBytes);
  }

  /** Writes content that is at hand, where `beginWrite` would; answers with the volume's id. */
  async write(blobId: string, volumeId: string, content: Uint8Array, crc32c: number): Promise<string> {
    if (this.#closed !== undefined) throw new CairnError("SHUTTING_DOWN");
    const volume = volumeId === "" ? await this.#choose(blobId) : this.volume(volumeId);
    await volume.write(blobId, content, crc32c);
    return volume.id;
  }

  /** Counts a write as being in progress, so that closing waits for it. */
  whileWriting<T>(work: Promise<T>): Promise<T> {
    this.#writing.add(work);
    const end = () => {
      this.#writing.delete(work);
    };
    work.then(end, end);
    return work;
  }

  async health(): Promise<DependencyHealth[]> {
    const lost = this.#lost.map(({ folder, why }) => ({
      name: `volume ${folder}`,
      ok: false,
      latencyMs: 0,
      detail: `lost at the start: ${why}`,
    }));
    const present = await Promise.all(
      this.volumes.map(async (volume): Promise<DependencyHealth> => {
        const startMs = this.#clock.monotonicMs();
        const late = this.#clock.sleep(healthTimeoutMs).then(() => "the disk does not answer");
        const asked = volume.refreshSpace().then(
          () => "",
          (error: unknown) => String(error),
        );
        const problem = await Promise.race([asked, late]);
        const { state, detail } = volume.status.standing;
        const latencyMs = Math.round(this.#clock.monotonicMs() - startMs);
        const name = `volume ${volume.folder}`;
        if (state !== "online") return { name, ok: false, latencyMs, detail: `${state}: ${detail}` };
        return problem === ""
          ? { name, ok: true, latencyMs }
          : { name, ok: false, latencyMs, detail: problem };
      }),
    );
    return [...present, ...lost];
  }

  /** Waits a bounded time for writes in progress and for a disk that hangs. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const stop = new AbortController();
    const late = this.#clock.sleep(closeTimeoutMs, stop.signal);
    await Promise.race([Promise.allSettled(this.#writing), late]);
    await Promise.race([Promise.all(this.volumes.map((volume) => volume.close())), late]);
    stop.abort();
    this.#release();
  }

  async #choose(blobId: string): Promise<Volume> {
    const [only] = this.volumes;
    if (only !== undefined && this.volumes.length === 1) return only;
    for (const volume of this.volumes) {
      // A write that is repeated belongs where its first try went: one copy a node. One that hangs is not waited for.
      if (!volume.isLagging && (await volume.has(blobId).catch(() => false))) return volume;
    }
    const ranked = [...this.volumes].sort((a, b) => rank(b) - rank(a));
    return ranked[0] as Volume;
  }
}

/**
 * The most room first, then one that hangs just now; of those that take no writes the one that opens soonest, whose
 * error then says why.
 */
function rank(volume: Volume): number {
  const { standing, freeBytes } = volume.status;
  if (standing.state === "online") return volume.isLagging ? 0 : 1 + freeBytes;
  return { full: -1, suspended: -2, fenced: -3 }[standing.state];
}
