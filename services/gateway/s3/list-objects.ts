/**
 * ListObjectsV2: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
 * ListObjects:   https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html (XML without list-type)
 * prefix, delimiter, max-keys, start-after or marker, continuation-token, encoding-type=url, fetch-owner; in the
 * order of the keys' UTF-8 bytes. Left out: optional object attributes, storage classes other than STANDARD.
 *
 * JSON, for Bearer clients:
 *   { bucket, prefix, delimiter, maxKeys, keyCount, isTruncated, nextContinuationToken?, nextMarker?,
 *     objects: [{ key, sizeBytes, etag, lastModified }], commonPrefixes: ["…"] }
 */
import type { Bucket } from "../../../gen/cairn/common/v1/common_pb";
import type { ListObjectsResponse } from "../../../gen/cairn/object/v1/object_pb";
import { jsonAnswer, xmlAnswer } from "../answers/answer";
import { isoDate } from "../answers/dates";
import { s3Namespace, XmlWriter } from "../answers/xml-writer";
import { type ListQuery, listParameters, parseListQuery, urlEncode } from "./list-query";
import { bucketRef, type S3Operation, withBucket } from "./s3-operation";

export const listObjects: S3Operation = {
  name: "ListObjects",
  query: listParameters,
  handle(exchange, context) {
    const { call, dialect } = exchange;
    return withBucket(exchange, context, "read", async (bucket) => {
      const query = parseListQuery(exchange.target?.query ?? new Map(), dialect);
      const listing = { bucketId: bucket.id, prefix: query.prefix, delimiter: query.delimiter };
      const after =
        query.token === undefined
          ? query.startAfter || query.marker
          : await context.tokens.open(listing, query.token, call);
      const page = await context.objects.listObjects(
        {
          bucket: bucketRef(bucket),
          prefix: query.prefix,
          delimiter: query.delimiter,
          after,
          limit: query.maxKeys,
        },
        call,
      );
      // With max-keys=0 there is nothing to go on from: S3 says that the listing is not truncated.
      const more = page.more && query.maxKeys > 0;
      const nextToken =
        more && query.version === 2 ? await context.tokens.seal(listing, page.nextAfter, call) : undefined;
      const nextMarker = more && query.version === 1 ? page.nextAfter : undefined;
      if (dialect === "json")
        return jsonAnswer(200, jsonPage(bucket, query, page, { more, nextToken, nextMarker }));
      return xmlAnswer(200, xmlPage(bucket, query, page, { more, nextToken, nextMarker }));
    });
  },
};

type Next = { more: boolean; nextToken: string | undefined; nextMarker: string | undefined };

function jsonPage(bucket: Bucket, query: ListQuery, page: ListObjectsResponse, next: Next): unknown {
  return {
    bucket: bucket.name,
    prefix: query.prefix,
    delimiter: query.delimiter,
    maxKeys: query.maxKeys,
    keyCount: page.objects.length + page.commonPrefixes.length,
    isTruncated: next.more,
    nextContinuationToken: next.nextToken,
    nextMarker: next.nextMarker,
    objects: page.objects.map((info) => ({
      key: info.key,
      sizeBytes: Number(info.sizeBytes),
      etag: info.etag,
      lastModified: isoDate(info.lastModifiedMs),
    })),
    commonPrefixes: page.commonPrefixes,
  };
}

function xmlPage(bucket: Bucket, query: ListQuery, page: ListObjectsResponse, next: Next): string {
  const name = (text: string) => (query.urlEncoded ? urlEncode(text) : text);
  const xml = new XmlWriter().open("ListBucketResult", s3Namespace);
  xml.element("Name", bucket.name).element("Prefix", name(query.prefix));
  if (query.version === 1) xml.element("Marker", name(query.marker));
  else {
    xml.element("StartAfter", query.startAfter === "" ? undefined : name(query.startAfter));
    xml.element("ContinuationToken", query.token).element("NextContinuationToken", next.nextToken);
    xml.element("KeyCount", page.objects.length + page.commonPrefixes.length);
  }
  xml.element("MaxKeys", query.maxKeys);
  xml.element("Delimiter", query.delimiter === "" ? undefined : name(query.delimiter));
  xml.element("EncodingType", query.urlEncoded ? "url" : undefined).element("IsTruncated", next.more);
  xml.element("NextMarker", next.nextMarker === undefined ? undefined : name(next.nextMarker));
  for (const info of page.objects) {
    xml.open("Contents").element("Key", name(info.key)).element("LastModified", isoDate(info.lastModifiedMs));
    xml.element("ETag", `"${info.etag}"`).element("Size", info.sizeBytes).element("StorageClass", "STANDARD");
    if (query.fetchOwner || query.version === 1) xml.open("Owner").element("ID", bucket.ownerId).close();
    xml.close();
  }
  for (const prefix of page.commonPrefixes)
    xml.open("CommonPrefixes").element("Prefix", name(prefix)).close();
  return xml.end();
}
