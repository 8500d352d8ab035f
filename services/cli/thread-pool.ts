import type { Settings } from "../common/config/options";

/** What one disk may hold at most while it hangs (P9; storageDefaults.callsAtOnce), so that the others go on. */
const threadsADisk = 4;
/** For everything else that a process does off its thread. */
const otherThreads = 8;

/** How many threads libuv's pool needs for the disks of this process. To be set before the first file is opened. */
export function threadPoolSize({ data, storageRoot }: Pick<Settings, "data" | "storageRoot">): number {
  // One data folder holds three storage nodes.
  const disks = Math.max(data.length === 1 ? 3 : data.length, storageRoot?.length ?? 0);
  return disks * threadsADisk + otherThreads;
}
