import { z } from "zod";
import type { Bucket } from "../../../gen/cairn/common/v1/common_pb";
import { CairnError } from "../../common/errors/cairn-error";
import type { Call } from "../../common/rpc/call";
import { authoriseBucketName, authoriseOwner, authorisePermission } from "../auth/authorise";
import { checkBucketName } from "../auth/bucket-lookup";
import { defineRoute, type RestContext, type RestRoute } from "./route";
import { toIso } from "./schemas";

const tag = "Buckets";

const bucketSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    ownerId: z.string(),
    createdAt: z.string(),
    usage: z.object({
      objects: z.number().meta({ description: "Versions that are kept." }),
      sizeBytes: z.number(),
    }),
  })
  .meta({ id: "Bucket" });

export const bucketRoutes: readonly RestRoute[] = [
  defineRoute({
    name: "ListBucketUsage",
    tag,
    method: "get",
    path: "/buckets",
    summary: "Buckets with what is stored in them, in name order",
    access: "Keys that may read: one's own buckets; admins: all.",
    query: z.strictObject({
      prefix: z.string().max(63).default(""),
      after: z.string().max(63).default("").meta({ description: "Lists names greater than this." }),
      limit: z.coerce.number().int().min(1).max(1000).default(100),
    }),
    status: 200,
    answer: z.object({ buckets: z.array(bucketSchema), more: z.boolean(), next: z.string().nullable() }),
    async handle({ query, principal, call }, context) {
      authorisePermission(principal, "read");
      const ownerId = principal.admin ? "" : principal.userId;
      const page = await context.buckets.listBuckets(
        { ownerId, prefix: query.prefix, afterName: query.after, limit: query.limit },
        call,
      );
      const permitted = principal.grant?.buckets ?? [];
      const shown = page.buckets.filter(({ name }) => permitted.length === 0 || permitted.includes(name));
      const buckets: z.infer<typeof bucketSchema>[] = [];
      for (const bucket of shown) {
        const described = await describe(bucket, context, call);
        if (described !== undefined) buckets.push(described);
      }
      return { buckets, more: page.more, next: page.more ? (page.buckets.at(-1)?.name ?? null) : null };
    },
  }),
  defineRoute({
    name: "GetBucketUsage",
    tag,
    method: "get",
    path: "/buckets/{name}",
    summary: "One bucket with what is stored in it",
    access: "Keys that may read it.",
    params: z.object({ name: z.string().max(255) }),
    status: 200,
    answer: bucketSchema,
    async handle({ params, principal, call }, context) {
      authorisePermission(principal, "read");
      authoriseBucketName(principal, params.name);
      checkBucketName(params.name);
      const { bucket } = await context.buckets.getBucket({ name: params.name }, call);
      if (bucket === undefined) throw new CairnError("NO_SUCH_BUCKET", { resource: params.name });
      authoriseOwner(principal, bucket);
      const described = await describe(bucket, context, call);
      if (described === undefined) throw new CairnError("NO_SUCH_BUCKET", { resource: params.name });
      return described;
    },
  }),
];

/** A bucket with its usage; undefined when it was deleted between the two questions. */
async function describe(
  bucket: Bucket,
  { buckets }: RestContext,
  call: Call,
): Promise<z.infer<typeof bucketSchema> | undefined> {
  try {
    const { usage } = await buckets.getUsage({ bucketId: bucket.id }, call);
    return {
      id: bucket.id,
      name: bucket.name,
      ownerId: bucket.ownerId,
      createdAt: toIso(bucket.createdAtMs),
      usage: { objects: Number(usage?.objects ?? 0n), sizeBytes: Number(usage?.sizeBytes ?? 0n) },
    };
  } catch (error) {
    if (error instanceof CairnError && error.reason === "NO_SUCH_BUCKET") return undefined;
    throw error;
  }
}
