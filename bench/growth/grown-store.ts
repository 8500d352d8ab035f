import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { bodiesOf } from "../bodies";
import { bucket, fill, makeBucket, pick } from "../case-kinds";
import { bucketOf, fillByCommands, openMetadataOf } from "../fill-by-commands";
import { median } from "../percentiles";
import { startEmbedded } from "../stores";
import type { Target } from "../target";

/** A stopped store with so many objects. */
export type GrownStore = { readonly folder: string; readonly size: number; readonly key: string };

/**
 * `commands`: names and versions through the metadata service with the commands that a PUT commits with, for objects
 * without bytes: tens of thousands a second. `puts`: real PUTs of 512 bytes, so that storage nodes grow too; a million
 * take half an hour and more.
 */
export type Filling = "commands" | "puts";

/** Keys of the many lie below it; `few` holds ten of them. */
export const manyPrefix = "many";
export const fewPrefix = "few";
export const fewKeys = 10;
const bodyBytes = 512;

export function manyKeyAt(index: number): string {
  return `folder-${String(Math.floor(index / 1000)).padStart(6, "0")}/object-${String(index).padStart(8, "0")}`;
}

export async function growStore(
  parent: string,
  size: number,
  key: string,
  filling: Filling,
): Promise<GrownStore> {
  const store = { folder: join(parent, `store-${size}`), size, key };
  mkdirSync(store.folder);
  const target = await startGrown(store);
  try {
    await makeBucket(target);
    const bodies = bodiesOf(16, bodyBytes);
    const bodyAt = (index: number) => pick(bodies, index);
    await fill(target, `/${bucket}/${fewPrefix}`, bodyAt, fewKeys);
    if (filling === "puts") {
      await fill(target, `/${bucket}/${manyPrefix}`, bodyAt, size, { keyAt: manyKeyAt, clients: 64 });
    }
  } finally {
    await target.stop();
  }
  if (filling === "commands") {
    const metadata = await openMetadataOf(join(store.folder, "embedded"));
    try {
      const found = await bucketOf(metadata, bucket);
      const keyAt = (index: number) => `${manyPrefix}/${manyKeyAt(index)}`;
      await fillByCommands({ metadata, ...found, count: size, keyAt });
    } finally {
      await metadata.close();
    }
  }
  return store;
}

export async function startGrown({ folder, size, key }: GrownStore): Promise<Target> {
  const target = await startEmbedded({ folder, key, startTimeoutMs: 600_000 });
  return { ...target, name: `${size} objects` };
}

/** The median time from a process's begin until the store is ready, after a clean stop. */
export async function startMs(store: GrownStore, times: number): Promise<number> {
  const taken: number[] = [];
  for (let time = 0; time <= times; time += 1) {
    const beganMs = performance.now();
    const target = await startGrown(store);
    // The first start after the filling folds in what that left.
    if (time > 0) taken.push(performance.now() - beganMs);
    await target.stop();
  }
  return median(taken);
}
