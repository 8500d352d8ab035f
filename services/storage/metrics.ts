import { Counter, Gauge } from "prom-client";
import { Durations } from "../common/metrics/durations";
import type { Metrics } from "../common/metrics/metrics";
import type { Disk } from "./disk";
import type { VolumeStatus } from "./volume";

const states = ["online", "full", "suspended", "fenced"] as const;
const seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

/** What a storage node shows. Several nodes of one process may share a registry: every series names its volume. */
export class StorageMetrics {
  readonly #free: Gauge<string>;
  readonly #capacity: Gauge<string>;
  readonly #blobs: Gauge<string>;
  readonly #state: Gauge<string>;
  readonly #calls: Durations;
  readonly #bytes: Counter<string>;
  readonly #damages: Counter<string>;
  readonly #suspensions: Counter<string>;

  constructor(registry: Metrics) {
    const registers = [registry];
    const gauge = (name: string, help: string, labelNames: string[]) =>
      (registry.getSingleMetric(name) as Gauge<string> | undefined) ??
      new Gauge({ name, help, labelNames, registers });
    const counter = (name: string, help: string, labelNames: string[]) =>
      (registry.getSingleMetric(name) as Counter<string> | undefined) ??
      new Counter({ name, help, labelNames, registers });
    this.#free = gauge("cairn_storage_free_bytes", "Room for writes, the reserve aside.", ["volume"]);
    this.#capacity = gauge("cairn_storage_capacity_bytes", "Size of the volume's file system.", ["volume"]);
    this.#blobs = gauge("cairn_storage_blobs", "Replicas on the volume.", ["volume"]);
    this.#state = gauge("cairn_storage_volume_state", "1 for the state that the volume is in.", [
      "volume",
      "state",
    ]);
    this.#bytes = counter("cairn_storage_disk_bytes_total", "Bytes written and read.", [
      "volume",
      "direction",
    ]);
    this.#damages = counter("cairn_storage_damaged_reads_total", "Reads that met damage.", ["volume"]);
    this.#suspensions = counter("cairn_storage_suspensions_total", "Times that the disk hung.", ["volume"]);
    const callsName = "cairn_storage_disk_call_seconds";
    this.#calls =
      (registry.getSingleMetric(callsName) as unknown as Durations | undefined) ??
      new Durations({
        name: callsName,
        help: "Time of calls to the disk; a write of a small blob includes its sync.",
        labelNames: ["volume", "call"],
        buckets: seconds,
        registry,
      });
  }

  show(status: VolumeStatus): void {
    const volume = status.volumeId;
    this.#free.set({ volume }, status.freeBytes);
    this.#capacity.set({ volume }, status.capacityBytes);
    this.#blobs.set({ volume }, status.blobs);
    for (const state of states) this.#state.set({ volume, state }, status.standing.state === state ? 1 : 0);
  }

  damage(volume: string): void {
    this.#damages.inc({ volume });
  }

  suspension(volume: string): void {
    this.#suspensions.inc({ volume });
  }

  /** The same disk, with the time and the bytes of its calls counted. */
  measured(disk: Disk, volume: string): Disk {
    const written = this.#bytes.labels({ volume, direction: "written" });
    const read = this.#bytes.labels({ volume, direction: "read" });
    const timed = (call: string) => {
      const histogram = this.#calls.of(volume, call);
      return <T>(work: () => Promise<T>): Promise<T> => {
        const startMs = performance.now();
        const observe = () => histogram.observe((performance.now() - startMs) / 1000);
        return work().then(
          (result) => {
            observe();
            if (typeof result === "number") read.inc(result);
            return result;
          },
          (error: unknown) => {
            observe();
            throw error;
          },
        );
      };
    };
    const [write, datasync, syncDirectory, reads] = ["write", "datasync", "sync_directory", "read"].map(
      timed,
    ) as [
      ReturnType<typeof timed>,
      ReturnType<typeof timed>,
      ReturnType<typeof timed>,
      ReturnType<typeof timed>,
    ];
    return {
      open: (path, from) => disk.open(path, from),
      create: (path, options) => disk.create(path, options),
      openDirect: (path, options) => disk.openDirect(path, options),
      truncate: (fd, lengthBytes) => disk.truncate(fd, lengthBytes),
      alignedMemory: (lengthBytes) => disk.alignedMemory(lengthBytes),
      sizeOf: (fd) => disk.sizeOf(fd),
      close: (fd) => disk.close(fd),
      rename: (from, to) => disk.rename(from, to),
      unlink: (path) => disk.unlink(path),
      mkdir: (path) => disk.mkdir(path),
      rmdir: (path) => disk.rmdir(path),
      list: (path) => disk.list(path),
      stat: (path) => disk.stat(path),
      space: (path) => disk.space(path),
      lock: (path) => disk.lock(path),
      cacheDatabase: (path) => disk.cacheDatabase(path),
      write: async (fd, buffers, position) => {
        await write(() => disk.write(fd, buffers, position));
        written.inc(buffers.reduce((sum, buffer) => sum + buffer.length, 0));
      },
      read: (fd, into, position) => reads(() => disk.read(fd, into, position)),
      datasync: (fd) => datasync(() => disk.datasync(fd)),
      syncDirectory: (path) => syncDirectory(() => disk.syncDirectory(path)),
    };
  }
}
