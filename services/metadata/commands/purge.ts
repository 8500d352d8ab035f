import type { Batch } from "../commit/batch";
import type { Handler } from "../commit/handler";
import { type PurgePlan, planPurge, purgeBuckets, purgeHistory, purgeUploads } from "../commit/purge-names";
import { purgeChanges, purgeCondemned, purgeLeases, purgeOutcomes } from "../commit/purge-rest";

/** One bounded step of removing what time has ended. Safe to run from several processes and at any time. */
export const purge: Handler<"purge"> = {
  rows: (change) => change.limit,
  locks: async (batch, change, wanted) => {
    const plan = await planned(batch, change);
    for (const upload of plan.uploads) wanted.uploads.add(upload.upload_id);
    for (const bucketId of plan.emptiedBuckets) wanted.bucket(bucketId, true);
  },
  blobs: async (batch, change, wanted) => {
    const plan = await planned(batch, change);
    const owners = [
      ...plan.uploads.flatMap((upload) => upload.sequences),
      ...plan.versions.map((v) => v.sequence),
    ];
    if (owners.length === 0) return;
    const rows = await batch.db
      .selectFrom("extents")
      .select("blob_id")
      .distinct()
      .where("bucket_id", "in", [
        ...new Set([...plan.uploads, ...plan.versions].map((owner) => owner.bucket_id)),
      ])
      .where("owner_sequence", "in", owners)
      .execute();
    for (const row of rows) wanted.blobs.add(row.blob_id);
  },
  decide: async (batch, change) => {
    const plan = await planned(batch, change);
    let removed = 0;
    const steps = [
      (limit: number) => purgeUploads(batch, plan, limit),
      (limit: number) => purgeHistory(batch, plan, limit),
      (limit: number) => purgeLeases(batch, limit),
      (limit: number) => purgeOutcomes(batch, limit),
      (limit: number) => purgeChanges(batch, limit),
      (limit: number) => purgeCondemned(batch, limit),
      (limit: number) => purgeBuckets(batch, plan, limit),
    ];
    for (const step of steps) if (removed < change.limit) removed += await step(change.limit - removed);
    return { keep: false, result: { case: "purge", value: { removed: Math.min(removed, change.limit) } } };
  },
};

function planned(batch: Batch, change: { limit: number }): Promise<PurgePlan> {
  return batch.plan(change, () => planPurge(batch, change.limit));
}
