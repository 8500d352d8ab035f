import { readdir } from "node:fs/promises";
import { temporaryFiles } from "../../test/faults/support/checks";
import type { StoreClient } from "../../test/faults/support/store-client";
import { residentMib } from "../../test/support/memory";

/** What a store holds while nobody asks anything of it. */
export type Resources = {
  readonly processes: Readonly<Record<string, { readonly memoryMiB: number; readonly descriptors: number }>>;
  /** Repairs, deletes and purges that wait. */
  readonly queued: number;
  readonly temporaryFiles: number;
};

export async function resourcesOf(
  client: StoreClient,
  pids: Readonly<Record<string, number>>,
  folder: string,
): Promise<Resources> {
  const processes = await Promise.all(
    Object.entries(pids).map(async ([name, pid]) => {
      const descriptors = (await readdir(`/proc/${pid}/fd`)).length;
      return [name, { memoryMiB: await residentMib(pid), descriptors }] as const;
    }),
  );
  const { repairs, deletes, purges } = await client.queues();
  return {
    processes: Object.fromEntries(processes),
    queued: repairs + deletes + purges,
    temporaryFiles: (await temporaryFiles(folder)).length,
  };
}

/**
 * A heap breathes by this much, and the collector gives memory back late: what grows with each request would pass it
 * in an hour at a few bytes a request.
 */
const memoryShare = 1.25;
const memoryMiB = 48;
/** Connections between the services and open segments come and go. */
const descriptorsMore = 16;

/** What has not come back to where it was; empty is what a soak ends with. */
export function grown(before: Resources, after: Resources): string[] {
  const findings: string[] = [];
  for (const [name, { memoryMiB: now, descriptors }] of Object.entries(after.processes)) {
    const then = before.processes[name];
    if (then === undefined) continue;
    const memoryLimit = then.memoryMiB * memoryShare + memoryMiB;
    if (now > memoryLimit) {
      findings.push(`${name} holds ${now.toFixed(0)} MiB, ${then.memoryMiB.toFixed(0)} after the warm-up`);
    }
    if (descriptors > then.descriptors + descriptorsMore) {
      findings.push(`${name} holds ${descriptors} descriptors, ${then.descriptors} after the warm-up`);
    }
  }
  if (after.queued > before.queued) findings.push(`${after.queued} tasks wait in queues`);
  if (after.temporaryFiles > before.temporaryFiles) {
    findings.push(`${after.temporaryFiles} temporary files, ${before.temporaryFiles} after the warm-up`);
  }
  return findings;
}
