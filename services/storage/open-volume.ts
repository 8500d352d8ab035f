import { startWorker } from "../common/lifecycle/worker";
import type { Logger } from "../common/log/logger";
import type { Clock } from "../common/time/clock";
import type { StorageConfig } from "./config";
import type { Disk } from "./disk";
import { DiskGate } from "./disk-gate";
import { gatedDisk } from "./gated-disk";
import { openHybridEngine } from "./hybrid-engine";
import type { StorageMetrics } from "./metrics";
import { ScrubPosition } from "./scrub-position";
import { SpaceLedger } from "./space-ledger";
import { Standing } from "./standing";
import { Volume } from "./volume";
import { type VolumeRecord, volumeFormat } from "./volume-file";
import { VolumeMemory } from "./volume-memory";

export type OpenVolumeOptions = {
  readonly folder: string;
  readonly record: VolumeRecord;
  /** Why this volume is fenced, as another volume remembers it. */
  readonly fencedElsewhere: string | undefined;
  readonly config: StorageConfig;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: StorageMetrics;
  /** The node has other disks: it can go on without this one. */
  readonly hasSpare: boolean;
  /** Writes on the node's other volumes that this one is fenced. */
  readonly recordFenceElsewhere: (volumeId: string, detail: string) => Promise<void>;
};

/**
 * Puts a volume together: its disk behind the gate, its engine, its memory. The folder must be claimed. Where there is a
 * spare, a disk that hangs meanwhile rejects with VOLUME_SUSPENDED; else it is waited for.
 */
export async function openVolume(options: OpenVolumeOptions): Promise<Volume> {
  const { folder, record, config, clock, metrics } = options;
  const volumeId = record.volumeId;
  const log = options.log.child({ volume: volumeId });
  let volume: Volume | undefined;
  let giveUp: (error: unknown) => void = () => {};
  const hung = new Promise<never>((_, reject) => {
    giveUp = reject;
  });
  hung.catch(() => {});
  const standing = new Standing(volumeId, (now) => {
    log.warn({ state: now.state, detail: now.detail }, "volume state");
    if (volume !== undefined) metrics.show(volume.status);
    else if (standing.isSuspended) giveUp(standing.suspendedError());
  });
  const recordFence = (detail: string) => {
    // Past the gate, which lets no change through any more. Tried once: when this disk cannot take it, another does.
    const own = memory.update((known) => ({ ...known, fence: known.fence ?? detail }), options.disk);
    own.catch((error: unknown) =>
      log.error({ err: error }, "the fence could not be written on its own volume"),
    );
    void options.recordFenceElsewhere(volumeId, detail);
  };
  const remember = (trouble: Pick<VolumeRecord, "suspendedAtMs" | "unreadableBlobs">) => {
    const written = memory.update((known) => ({ ...known, ...trouble }));
    written.catch((error: unknown) => log.warn({ err: error }, "a disk's trouble was not written down"));
  };
  const gate = new DiskGate({
    clock,
    standing,
    callsAtOnce: config.callsAtOnce,
    suspendAfterMs: config.suspendAfterMs,
    suspensionsToFence: config.suspensionsToFence,
    onFence: recordFence,
    suspendedAtMs: record.suspendedAtMs ?? [],
    onSuspension: () => metrics.suspension(volumeId),
    onResume: (suspendedAtMs) => remember({ suspendedAtMs }),
    probe: () => writeProbe(disk, folder),
  });
  const disk = gatedDisk(options.disk, gate, metrics.observer(volumeId));
  const memory = new VolumeMemory(disk, folder, record);

  const opening = openGated();
  if (!options.hasSpare) return opening;
  const watch = startWorker({
    name: "disk-watch",
    clock,
    log,
    idleMs: config.suspendAfterMs / 4,
    step: async () => {
      gate.tick();
      return false;
    },
  });
  try {
    return await Promise.race([opening, hung]);
  } catch (error) {
    // What opens too late is closed again.
    opening.then(
      (late) => late.close(),
      () => {},
    );
    throw error;
  } finally {
    await watch.close();
  }

  async function openGated(): Promise<Volume> {
    const fence = record.fence ?? options.fencedElsewhere;
    if (fence !== undefined) standing.fence(fence);
    // Before anything of the newer format is written.
    if (!standing.isFenced && record.format < volumeFormat)
      await memory.update((known) => ({ ...known, format: volumeFormat }));
    const openEngine = (readOnly: boolean) =>
      openHybridEngine({ folder, disk, clock, log, readOnly, config });
    const engine = await openEngine(standing.isFenced).catch((error: unknown) => {
      // The disk failed while the volume was being tidied: what it holds can still be read.
      if (!standing.isFenced) throw error;
      return openEngine(true);
    });
    const opened = new Volume({
      volumeId,
      folder,
      disk,
      clock,
      log,
      engine,
      gate,
      standing,
      ledger: new SpaceLedger(config.reserveBytes),
      memory,
      scrubPosition: await ScrubPosition.load(disk, folder, log, clock.nowMs()),
      suspendAfterMs: config.suspendAfterMs,
      damagesToFence: config.damagesToFence,
      unreadableBlobs: record.unreadableBlobs ?? [],
      onUnreadable: (unreadableBlobs) => remember({ unreadableBlobs }),
      onDamage: () => metrics.damage(volumeId),
      onStatus: (status) => metrics.show(status),
      onFence: recordFence,
    });
    try {
      await opened.refreshSpace();
    } catch (error) {
      void opened.close();
      throw error;
    }
    volume = opened;
    return opened;
  }
}

/** A write as any other, whose time tells whether the disk is back (P9). */
async function writeProbe(disk: Disk, folder: string): Promise<void> {
  const path = `${folder}/probe.tmp`;
  if ((await disk.stat(path)) !== undefined) await disk.unlink(path);
  const fd = await disk.create(path, { synced: true });
  try {
    await disk.write(fd, [Buffer.from("probe")], 0);
  } finally {
    await disk.close(fd);
  }
  await disk.unlink(path);
  await disk.syncDirectory(folder);
}
