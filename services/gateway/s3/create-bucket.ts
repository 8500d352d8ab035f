/**
 * CreateBucket: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
 * One's own bucket again answers 200 and changes nothing. A Bearer client gets {name, createdAt, created}.
 * Left out: ACLs, object lock, ownership other than the default, locations other than the configured region.
 */
import { CairnError } from "../../common/errors/cairn-error";
import { emptyAnswer, jsonAnswer } from "../answers/answer";
import { isoDate } from "../answers/dates";
import { authoriseBucketName, authorisePermission } from "../auth/authorise";
import { checkBucketName } from "../auth/bucket-lookup";
import { parseXml } from "../body/parse-xml";
import { readSmallBody } from "../body/read-small-body";
import { bucketNameOf, principalOf, type S3Operation } from "./s3-operation";
import { refuseUnsupportedHeaders } from "./unsupported-headers";

const maxBodyBytes = 64 * 1024;

export const createBucket: S3Operation = {
  name: "CreateBucket",
  query: [],
  async handle(exchange, context) {
    const principal = principalOf(exchange);
    const name = bucketNameOf(exchange);
    authorisePermission(principal, "write");
    authoriseBucketName(principal, name);
    refuseUnsupportedHeaders(exchange.req.headers);
    checkBucketName(name);
    checkLocation(await readSmallBody(exchange.body, maxBodyBytes), context.config.region);
    const { bucket, created } = await context.buckets.createBucket(
      { name, ownerId: principal.userId },
      exchange.call,
    );
    context.lookup.forget(name);
    if (bucket === undefined)
      throw new CairnError("INTERNAL", { message: "The bucket service answered without a bucket." });
    const headers = ["Location", `/${name}`];
    if (exchange.dialect === "xml") return emptyAnswer(200, headers);
    return jsonAnswer(200, { name, createdAt: isoDate(bucket.createdAtMs), created }, headers);
  },
};

/** Errors: MALFORMED_XML, INVALID_ARGUMENT for another region. */
function checkLocation(body: Buffer, region: string): void {
  if (body.length === 0) return;
  const root = parseXml(body);
  if (root.name !== "CreateBucketConfiguration") {
    throw new CairnError("MALFORMED_XML", {
      message: `Expected CreateBucketConfiguration, not ${root.name}.`,
    });
  }
  for (const child of root.children) {
    if (child.name !== "LocationConstraint") {
      throw new CairnError("NOT_IMPLEMENTED", { message: `The element ${child.name} is not implemented.` });
    }
    const location = child.text.trim();
    if (location !== "" && location !== region) {
      throw new CairnError("INVALID_ARGUMENT", {
        message: `The location "${location.slice(0, 64)}" is not this store's region "${region}".`,
        hint: "Leave the location out.",
      });
    }
  }
}
