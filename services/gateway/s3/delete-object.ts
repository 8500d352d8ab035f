/**
 * DeleteObject: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
 * 204 also when the key does not exist; If-Match. Left out: versionId, MFA, governance bypass.
 */
import { emptyAnswer } from "../answers/answer";
import { writeConditions } from "./conditions";
import { bucketRef, keyOf, type S3Operation, withBucket } from "./s3-operation";
import { refuseUnsupportedHeaders } from "./unsupported-headers";

export const deleteObject: S3Operation = {
  name: "DeleteObject",
  query: [],
  async handle(exchange, context) {
    const { headers } = exchange.req;
    const deleted = await withBucket(exchange, context, "write", async (bucket) => {
      refuseUnsupportedHeaders(headers);
      const conditions = writeConditions(headers);
      return context.objects.deleteObject(
        {
          bucket: bucketRef(bucket),
          key: keyOf(exchange),
          ...(conditions === undefined ? {} : { conditions }),
        },
        exchange.call,
      );
    });
    return emptyAnswer(204, deleted.deleteMarker ? ["x-amz-delete-marker", "true"] : []);
  },
};
