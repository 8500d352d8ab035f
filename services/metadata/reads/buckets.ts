import { sql } from "kysely";
import { CairnError } from "../../common/errors/cairn-error";
import { afterPrefix } from "../store/key-order";
import { type Runner, statement } from "../store/statement";
import type { BucketRow } from "../store/tables";

const byId = statement<{ bucketId: string }>()((db, mark) =>
  db
    .selectFrom("buckets")
    .selectAll()
    .where("bucket_id", "=", mark("bucketId"))
    .where("deleted_at_ms", "is", null),
);
const byName = statement<{ name: string }>()((db, mark) =>
  db.selectFrom("buckets").selectAll().where("name", "=", mark("name")).where("deleted_at_ms", "is", null),
);

/** A bucket by its id; NO_SUCH_BUCKET. */
export async function bucketById(runner: Runner, bucketId: string): Promise<BucketRow> {
  return (await byId(runner, { bucketId }))[0] ?? noSuchBucket(bucketId);
}

/** A bucket by its name; NO_SUCH_BUCKET. */
export async function bucketByName(runner: Runner, name: string): Promise<BucketRow> {
  const [row] = name.includes("\0") ? [] : await byName(runner, { name });
  return row ?? noSuchBucket(name);
}

export function noSuchBucket(resource: string): never {
  throw new CairnError("NO_SUCH_BUCKET", { message: `There is no bucket ${resource}.`, resource });
}

/** One page in name order. */
export async function listBuckets(
  runner: Runner,
  page: { ownerId: string; prefix: string; afterName: string; limit: number },
): Promise<{ buckets: BucketRow[]; more: boolean }> {
  let query = runner.db.selectFrom("buckets").selectAll().where("deleted_at_ms", "is", null);
  if (page.ownerId !== "") query = query.where("owner_id", "=", page.ownerId);
  if (page.prefix !== "") query = query.where("name", ">=", page.prefix);
  const end = page.prefix === "" ? undefined : afterPrefix(page.prefix);
  if (end !== undefined) query = query.where("name", "<", end);
  if (page.afterName !== "") query = query.where("name", ">", page.afterName);
  const rows = await query
    .orderBy("name")
    .limit(page.limit + 1)
    .execute();
  return { buckets: rows.slice(0, page.limit), more: rows.length > page.limit };
}

/** Sums over a bucket's kept versions, of every process's rows (P4). */
export async function bucketUsage(
  runner: Runner,
  bucketId: string,
): Promise<{ objects: number; sizeBytes: number }> {
  await bucketById(runner, bucketId);
  const row = await runner.db
    .selectFrom("usage")
    .select([
      sql<number>`cast(coalesce(sum(objects), 0) as bigint)`.as("objects"),
      sql<number>`cast(coalesce(sum(size_bytes), 0) as bigint)`.as("sizeBytes"),
    ])
    .where("bucket_id", "=", bucketId)
    .executeTakeFirstOrThrow();
  return row;
}
