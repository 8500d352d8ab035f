/**
 * CopyObject: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
 * Moves no bytes. x-amz-copy-source, x-amz-metadata-directive COPY or REPLACE, x-amz-copy-source-if-*, If-Match,
 * If-None-Match: *. JSON answer: {bucket, key, etag, sizeBytes, lastModified}.
 * Left out: a source's versionId, another checksum algorithm, tags, ACLs, encryption, storage classes.
 */
import { CairnError } from "../../common/errors/cairn-error";
import { jsonAnswer, xmlAnswer } from "../answers/answer";
import { isoDate } from "../answers/dates";
import { s3Namespace, XmlWriter } from "../answers/xml-writer";
import { decode, parseKey } from "../http/raw-target";
import { checksumElements } from "./checksums";
import { readConditions, writeConditions } from "./conditions";
import { contentHeaders } from "./content-headers";
import { infoOf } from "./object-answer";
import {
  authorisedBucket,
  bucketNameOf,
  bucketRef,
  keyOf,
  type S3Operation,
  withBucket,
} from "./s3-operation";
import { refuseUnsupportedHeaders } from "./unsupported-headers";

export const copyObject: S3Operation = {
  name: "CopyObject",
  query: [],
  handle(exchange, context) {
    const { headers } = exchange.req;
    return withBucket(exchange, context, "write", async (bucket) => {
      refuseUnsupportedHeaders(headers);
      const source = parseCopySource(String(headers["x-amz-copy-source"]));
      // Never a remembered row: a refusal would not tell which of the two was the stale one.
      const sourceBucket = await authorisedBucket(exchange, context, "read", source.bucket, { fresh: true });
      const sourceConditions = readConditions(headers, "x-amz-copy-source-");
      const conditions = writeConditions(headers);
      const replaces = metadataDirective(headers["x-amz-metadata-directive"]) === "REPLACE";
      const { info } = await context.objects.copyObject(
        {
          sourceBucket: bucketRef(sourceBucket),
          sourceKey: source.key,
          bucket: bucketRef(bucket),
          key: keyOf(exchange),
          ...(sourceConditions === undefined ? {} : { sourceConditions }),
          ...(conditions === undefined ? {} : { conditions }),
          ...(replaces ? { headers: contentHeaders(headers) } : {}),
        },
        exchange.call,
      );
      const copied = infoOf({ info });
      const facts = { etag: copied.etag, lastModified: isoDate(copied.lastModifiedMs) };
      if (exchange.dialect === "json") {
        return jsonAnswer(200, {
          bucket: bucketNameOf(exchange),
          key: copied.key,
          ...facts,
          sizeBytes: Number(copied.sizeBytes),
        });
      }
      const xml = new XmlWriter().open("CopyObjectResult", s3Namespace);
      xml.element("ETag", `"${facts.etag}"`).element("LastModified", facts.lastModified);
      for (const [name, value] of checksumElements(copied.checksums)) xml.element(name, value);
      return xmlAnswer(200, xml.end());
    });
  },
};

/** `bucket/key` or `/bucket/key`, percent-encoded as in a path. Errors: INVALID_ARGUMENT, NOT_IMPLEMENTED. */
export function parseCopySource(header: string): { bucket: string; key: string } {
  const mark = header.indexOf("?");
  const path = (mark === -1 ? header : header.slice(0, mark)).replace(/^\//, "");
  if (mark !== -1) {
    throw new CairnError("NOT_IMPLEMENTED", {
      message: "A copy of a version by its id is not implemented.",
      hint: "Write a question mark within the key as %3F.",
    });
  }
  // Some clients encode the slash behind the bucket too.
  const plain = path.includes("/") ? path : path.replace(/%2f/i, "/");
  const slash = plain.indexOf("/");
  if (slash <= 0 || slash === plain.length - 1) {
    throw new CairnError("INVALID_ARGUMENT", {
      message: "x-amz-copy-source is not of the form /bucket/key.",
      hint: "Percent-encode the key as in a path.",
    });
  }
  return { bucket: decode(plain.slice(0, slash)), key: parseKey(plain.slice(slash + 1)) };
}

function metadataDirective(value: string | string[] | undefined): "COPY" | "REPLACE" {
  if (value === undefined || value === "COPY") return "COPY";
  if (value === "REPLACE") return "REPLACE";
  throw new CairnError("INVALID_ARGUMENT", { message: "x-amz-metadata-directive must be COPY or REPLACE." });
}
