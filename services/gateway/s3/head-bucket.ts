/**
 * HeadBucket: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
 * Left out: access point aliases.
 */
import { emptyAnswer } from "../answers/answer";
import { authorisedBucket, bucketNameOf, type S3Operation } from "./s3-operation";

export const headBucket: S3Operation = {
  name: "HeadBucket",
  query: [],
  async handle(exchange, context) {
    await authorisedBucket(exchange, context, "read", bucketNameOf(exchange), { fresh: true });
    return emptyAnswer(200, ["x-amz-bucket-region", context.config.region]);
  },
};
