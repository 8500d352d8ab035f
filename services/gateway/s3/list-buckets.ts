/**
 * ListBuckets: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html
 * The caller's own buckets, or those of them that the key is limited to. prefix, max-buckets, continuation-token.
 * JSON: {owner, prefix?, buckets: [{name, createdAt}], isTruncated, nextContinuationToken?}. Left out: bucket-region.
 */
import { CairnError } from "../../common/errors/cairn-error";
import { type Answer, jsonAnswer, xmlAnswer } from "../answers/answer";
import { isoDate } from "../answers/dates";
import { s3Namespace, XmlWriter } from "../answers/xml-writer";
import { authorisePermission } from "../auth/authorise";
import { wholeNumber } from "./list-query";
import type { Listing } from "./list-token";
import { principalOf, type S3Operation } from "./s3-operation";

const maxBuckets = 10_000;

export const listBuckets: S3Operation = {
  name: "ListBuckets",
  query: ["prefix", "max-buckets", "continuation-token"],
  async handle(exchange, context): Promise<Answer> {
    const principal = principalOf(exchange);
    authorisePermission(principal, "read");
    const query = exchange.target?.query ?? new Map<string, string>();
    const prefix = query.get("prefix") ?? "";
    if (prefix.length > 63)
      throw new CairnError("INVALID_ARGUMENT", { message: "The prefix is longer than a bucket name." });
    const limit = wholeNumber(query, "max-buckets", { least: 1, most: maxBuckets }) ?? maxBuckets;
    const listing: Listing = { bucketId: `buckets of ${principal.userId}`, prefix, delimiter: "" };
    const token = query.get("continuation-token");
    const afterName = token === undefined ? "" : await context.tokens.open(listing, token, exchange.call);
    const page = await context.buckets.listBuckets(
      { ownerId: principal.userId, prefix, afterName, limit },
      exchange.call,
    );
    const last = page.buckets.at(-1);
    const next =
      page.more && last !== undefined
        ? await context.tokens.seal(listing, last.name, exchange.call)
        : undefined;
    const permitted = principal.grant?.buckets ?? [];
    const buckets = page.buckets.filter(({ name }) => permitted.length === 0 || permitted.includes(name));
    if (exchange.dialect === "json") {
      return jsonAnswer(200, {
        owner: { id: principal.userId, name: principal.userName },
        prefix,
        buckets: buckets.map(({ name, createdAtMs }) => ({ name, createdAt: isoDate(createdAtMs) })),
        isTruncated: next !== undefined,
        nextContinuationToken: next,
      });
    }
    const xml = new XmlWriter().open("ListAllMyBucketsResult", s3Namespace);
    xml.open("Owner").element("ID", principal.userId).element("DisplayName", principal.userName).close();
    xml.open("Buckets");
    for (const { name, createdAtMs } of buckets) {
      xml.open("Bucket").element("Name", name).element("CreationDate", isoDate(createdAtMs)).close();
    }
    xml.close().element("ContinuationToken", next).element("Prefix", query.get("prefix"));
    return xmlAnswer(200, xml.end());
  },
};
