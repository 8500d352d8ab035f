import type { MessageInitShape } from "@bufbuild/protobuf";
import type { BucketService, DocumentSchema } from "../../gen/cairn/bucket/v1/bucket_pb";
import type { ServiceImpl } from "../common/rpc/service";
import type { Buckets } from "./buckets";
import type { Document } from "./document-store";
import type { Documents } from "./documents";

/**
 * The contract over the logic. `documents` throws while the database has not been there yet; buckets need none of
 * ours. Each document's call asks for the bucket first: a document of one that is gone is not served.
 */
export function bucketRpc(options: {
  readonly buckets: Buckets;
  readonly documents: () => Documents;
  /** The bucket is gone: so must its documents, now or later. */
  readonly onDeleted: (bucketId: string) => Promise<void>;
}): ServiceImpl<typeof BucketService> {
  const { buckets, documents, onDeleted } = options;
  return {
    createBucket: ({ name, ownerId }, call) => buckets.create(name, ownerId, call),
    getBucket: async ({ name }, call) => ({ bucket: await buckets.get({ case: "name", value: name }, call) }),
    listBuckets: ({ ownerId, prefix, afterName, limit }, call) =>
      buckets.list({ ownerId, prefix, afterName, limit }, call),
    deleteBucket: async ({ bucketId }, call) => {
      await buckets.delete(bucketId, call);
      await onDeleted(bucketId);
      return {};
    },
    getUsage: async ({ bucketId }, call) => {
      const usage = await buckets.usage(bucketId, call);
      return usage === undefined ? {} : { usage };
    },

    getDocument: async ({ bucketId, kind }, call) => {
      await buckets.get({ case: "bucketId", value: bucketId }, call);
      return { document: fromDocument(await documents().get(bucketId, kind)) };
    },
    putDocument: async ({ bucketId, kind, body, expectedVersion }, call) => {
      await buckets.get({ case: "bucketId", value: bucketId }, call);
      const expected = expectedVersion === undefined ? undefined : Number(expectedVersion);
      return { document: fromDocument(await documents().put(bucketId, kind, Buffer.from(body), expected)) };
    },
    deleteDocument: async ({ bucketId, kind }, call) => {
      await buckets.get({ case: "bucketId", value: bucketId }, call);
      await documents().delete(bucketId, kind);
      return {};
    },
  };
}

function fromDocument(document: Document): MessageInitShape<typeof DocumentSchema> {
  return {
    kind: document.kind,
    version: BigInt(document.version),
    body: document.body,
    changedAtMs: BigInt(document.changedAtMs),
  };
}
