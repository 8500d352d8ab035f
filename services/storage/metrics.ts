import { Counter, Gauge } from "prom-client";
import { Durations } from "../common/metrics/durations";
import type { Metrics } from "../common/metrics/metrics";
import type { DiskObserver } from "./gated-disk";
import type { VolumeStatus } from "./volume";

const states = ["online", "full", "suspended", "fenced"] as const;
const seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

/** The bytes of each volume's disk, by registry: nodes of one process share it. */
const bytesOf = new WeakMap<Metrics, Map<string, { read: number; written: number }>>();

/** What a storage node shows. Several nodes of one process may share a registry: every series names its volume. */
export class StorageMetrics {
  readonly #free: Gauge<string>;
  readonly #capacity: Gauge<string>;
  readonly #blobs: Gauge<string>;
  readonly #state: Gauge<string>;
  readonly #calls: Durations;
  readonly #volumeBytes: Map<string, { read: number; written: number }>;
  readonly #lost: Gauge<string>;
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
    const bytesName = "cairn_storage_disk_bytes_total";
    const volumeBytes = bytesOf.get(registry) ?? new Map<string, { read: number; written: number }>();
    bytesOf.set(registry, volumeBytes);
    this.#volumeBytes = volumeBytes;
    // Added up without its help, and told when the page is asked for: a label's look-up costs as much as the addition.
    if (registry.getSingleMetric(bytesName) === undefined)
      new Counter({
        name: bytesName,
        help: "Bytes written and read.",
        labelNames: ["volume", "direction"],
        registers,
        collect() {
          this.reset();
          for (const [volume, { read, written }] of volumeBytes) {
            this.inc({ volume, direction: "read" }, read);
            this.inc({ volume, direction: "written" }, written);
          }
        },
      });
    this.#lost = gauge(
      "cairn_storage_lost_folder",
      "1 for a folder whose disk failed or hung at the start.",
      ["folder"],
    );
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

  lost(folder: string): void {
    this.#lost.set({ folder }, 1);
  }

  damage(volume: string): void {
    this.#damages.inc({ volume });
  }

  suspension(volume: string): void {
    this.#suspensions.inc({ volume });
  }

  /** What is to be told of each call to a volume's disk. */
  observer(volume: string): DiskObserver {
    const calls = {
      write: this.#calls.of(volume, "write"),
      datasync: this.#calls.of(volume, "datasync"),
      syncDirectory: this.#calls.of(volume, "sync_directory"),
      read: this.#calls.of(volume, "read"),
    };
    const bytes = { read: 0, written: 0 };
    this.#volumeBytes.set(volume, bytes);
    return {
      took: (call, ms) => calls[call].observe(ms / 1_000),
      read: (count) => {
        bytes.read += count;
      },
      written: (count) => {
        bytes.written += count;
      },
    };
  }
}
