/**
 * HeadObject: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
 * Range, If-*, response-*, x-amz-checksum-mode as for GetObject. Left out: versionId, partNumber, If-Range.
 */

import { CairnError } from "../../common/errors/cairn-error";
import { readConditions } from "./conditions";
import { overrideParameters, responseOverrides } from "./content-headers";
import { objectAnswer } from "./object-answer";
import { parseRange } from "./range";
import { bucketRef, keyOf, type S3Operation, withBucket } from "./s3-operation";
import { refuseUnsupportedHeaders } from "./unsupported-headers";

export const headObject: S3Operation = {
  name: "HeadObject",
  query: overrideParameters,
  async handle(exchange, context) {
    const { headers } = exchange.req;
    const { header } = await withBucket(exchange, context, "read", async (bucket) => {
      refuseUnsupportedHeaders(headers);
      const conditions = readConditions(headers);
      const range = parseRange(headers.range);
      return context.objects.headObject(
        {
          bucket: bucketRef(bucket),
          key: keyOf(exchange),
          ...(conditions === undefined ? {} : { conditions }),
          ...(range === undefined ? {} : { range }),
        },
        exchange.call,
      );
    });
    const overrides = responseOverrides(exchange.target?.query ?? new Map());
    if (header === undefined)
      throw new CairnError("INTERNAL", { message: "The object service answered without a header." });
    return objectAnswer(header, { overrides, withChecksums: headers["x-amz-checksum-mode"] === "ENABLED" });
  },
};
