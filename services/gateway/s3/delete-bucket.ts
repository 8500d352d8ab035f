/**
 * DeleteBucket: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html
 * 409 while anything is in it. Left out: nothing.
 */
import { emptyAnswer } from "../answers/answer";
import { authorisedBucket, bucketNameOf, type S3Operation } from "./s3-operation";
import { refuseUnsupportedHeaders } from "./unsupported-headers";

export const deleteBucket: S3Operation = {
  name: "DeleteBucket",
  query: [],
  async handle(exchange, context) {
    const name = bucketNameOf(exchange);
    const bucket = await authorisedBucket(exchange, context, "write", name, { fresh: true });
    refuseUnsupportedHeaders(exchange.req.headers);
    try {
      await context.buckets.deleteBucket({ bucketId: bucket.id }, exchange.call);
    } finally {
      context.lookup.forget(name);
    }
    return emptyAnswer(204);
  },
};
