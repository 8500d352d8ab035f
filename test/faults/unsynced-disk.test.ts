import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../../services/common/log/logger";
import { createMetrics } from "../../services/common/metrics/metrics";
import { systemClock } from "../../services/common/time/clock";
import { defaultMetadataConfig } from "../../services/metadata/config";
import { openMetadata } from "../../services/metadata/open";
import { type Bucket, type Openers, quickConfig, TestStore } from "../../services/object/testing/test-store";
import { storageDefaults } from "../../services/storage/config";
import { openStorage } from "../../services/storage/open";
import { type Forgets, SimulatedDisk } from "../../services/storage/simulated-disk";
import { bodyOf, md5Of } from "./support/bodies";
import { type Random, seededRandom } from "./support/random";

/**
 * A whole small store whose three nodes lie on disks that lose all unsynced bytes when the power is cut, everywhere
 * at once. services/storage/crash.test.ts cuts the power of one node at each of its steps; here what counts is what
 * the store said to its client.
 */
const sizesBytes = [0, 900, 5_000, 70_000, 400_000, 1_500_000];

type Outcome = { readonly acknowledged: number; readonly wrong: string[] };

async function cutPowerUnderLoad(forgets: Forgets, random: Random): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), "cairn-unsynced-"));
  try {
    const disks: SimulatedDisk[] = [];
    for (let node = 0; node < 3; node++) {
      const disk = new SimulatedDisk();
      await disk.mkdir("/node");
      await disk.syncDirectory("/");
      disks.push(disk);
    }
    const first = await openOn(disks, folder);
    // Planted once the nodes are open: it is what they acknowledge from now on that the control is about.
    for (const disk of disks) disk.forgets = forgets;
    const bucket = await first.createBucket();
    const acknowledged = await putUntilPowerFails(first, bucket, disks, random);
    await first.close().catch(() => {});
    for (const disk of disks) disk.crash();
    const second = await openOn(disks, folder).catch((error: unknown) => String(error));
    if (typeof second === "string")
      return { acknowledged: acknowledged.size, wrong: [`the store does not open again: ${second}`] };
    try {
      return { acknowledged: acknowledged.size, wrong: await whatIsLost(second, bucket, acknowledged) };
    } finally {
      await second.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function openOn(disks: readonly SimulatedDisk[], folder: string): Promise<TestStore> {
  const common = { clock: systemClock, log: silentLogger };
  const metrics = () => createMetrics({ defaults: false });
  const openers: Openers = {
    openNode: (name) =>
      openStorage({
        config: { ...storageDefaults, folders: ["/node"], reserveBytes: 0 },
        disk: disks[Number(name.at(-1))] as SimulatedDisk,
        metrics: metrics(),
        ...common,
      }),
    openMetadata: (place) =>
      openMetadata({
        database: { kind: "sqlite", path: join(place, "metadata.db") },
        config: defaultMetadataConfig,
        metrics: metrics(),
        ...common,
      }),
  };
  return TestStore.open(folder, openers, quickConfig);
}

/** The MD5 of what was acknowledged, by key. The power of all three fails after a random number of changes. */
async function putUntilPowerFails(
  store: TestStore,
  bucket: Bucket,
  disks: readonly SimulatedDisk[],
  random: Random,
): Promise<Map<string, string>> {
  const acknowledged = new Map<string, string>();
  const cutAfter = 40 + random.whole(120);
  let failed = false;
  for (const disk of disks) {
    const endsAt = disk.changes + cutAfter;
    disk.fault = ({ change }) => {
      if ((change ?? 0) < endsAt) return;
      failed = true;
      for (const each of disks) each.cutPowerAt = 0;
    };
  }
  const lane = async (name: string) => {
    for (let number = 0; !failed && number < 200; number++) {
      const body = bodyOf(random.pick(sizesBytes), random, `${name}-${number}`);
      try {
        await store.put(bucket, `${name}-${number}`, body.bytes);
        acknowledged.set(`${name}-${number}`, body.md5);
      } catch {
        // Not acknowledged: whatever becomes of it is right.
      }
    }
  };
  await Promise.all(["a", "b", "c"].map(lane));
  for (const disk of disks) disk.fault = () => {};
  return acknowledged;
}

async function whatIsLost(
  store: TestStore,
  bucket: Bucket,
  acknowledged: ReadonlyMap<string, string>,
): Promise<string[]> {
  const wrong: string[] = [];
  for (const [key, md5] of acknowledged) {
    const read = await store.get(bucket, key).catch((error: unknown) => String(error));
    if (typeof read === "string") wrong.push(`${key}: ${read}`);
    else if (md5Of(read.body) !== md5) wrong.push(`${key} has other bytes`);
  }
  return wrong;
}

test.each([1, 2, 3, 4, 5, 6])(
  "a power cut everywhere loses nothing acknowledged, seed %d",
  async (seed) => {
    const { acknowledged, wrong } = await cutPowerUnderLoad({}, seededRandom(seed));
    expect(wrong).toEqual([]);
    expect(acknowledged).toBeGreaterThan(0);
  },
  60_000,
);

test.each([
  ["data", { dataSyncs: true }],
  ["folders", { directorySyncs: true }],
])(
  "control: disks that forget to sync %s lose acknowledged objects, and that is noticed",
  async (_, forgets) => {
    const { acknowledged, wrong } = await cutPowerUnderLoad(forgets, seededRandom(7));
    expect(wrong).not.toEqual([]);
    expect(acknowledged).toBeGreaterThan(0);
  },
  60_000,
);
