/**
 * PutObject: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
 * Content-Length or chunked transfer coding, Content-MD5, x-amz-checksum-*, If-Match, If-None-Match: *.
 * A Bearer client gets a JSON body: {bucket, key, etag, sizeBytes, lastModified, checksums}.
 * Left out: aws-chunked bodies and trailers, ACLs, tags, encryption, object lock, storage classes (refused, not ignored).
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  ObjectInfo,
  PutObjectHeaderSchema,
  PutObjectRequestSchema,
} from "../../../gen/cairn/object/v1/object_pb";
import { CairnError, hasReason } from "../../common/errors/cairn-error";
import { emptyAnswer, jsonAnswer } from "../answers/answer";
import { isoDate } from "../answers/dates";
import type { RequestBody } from "../body/request-body";
import type { Exchange } from "../http/exchange";
import { type ClaimedChecksums, checksumElements, checksumHeaders, claimedChecksums } from "./checksums";
import { writeConditions } from "./conditions";
import { contentHeaders } from "./content-headers";
import { infoOf } from "./object-answer";
import {
  authorisedBucket,
  bucketNameOf,
  bucketRef,
  keyOf,
  type S3Context,
  type S3Operation,
} from "./s3-operation";
import { refuseUnsupportedHeaders } from "./unsupported-headers";

type Header = MessageInitShape<typeof PutObjectHeaderSchema>;

export const putObject: S3Operation = {
  name: "PutObject",
  query: [],
  async handle(exchange, context) {
    const { headers } = exchange.req;
    const { body } = exchange;
    const bucketName = bucketNameOf(exchange);
    const bucket = await authorisedBucket(exchange, context, "write", bucketName);
    refuseUnsupportedHeaders(headers);
    const checksums = claimedChecksums(headers);
    if (body.declaredBytes === undefined && !body.chunked) throw new CairnError("MISSING_LENGTH");
    if ((body.declaredBytes ?? 0) > context.config.maxBodyBytes) {
      throw new CairnError("ENTITY_TOO_LARGE", {
        message: `The object has ${body.declaredBytes} bytes; at most ${context.config.maxBodyBytes} are allowed.`,
      });
    }
    const conditions = writeConditions(headers);
    const header: Header = {
      bucket: bucketRef(bucket),
      key: keyOf(exchange),
      headers: contentHeaders(headers),
      algorithms: checksums.algorithms,
      ...(conditions === undefined ? {} : { conditions }),
      ...(body.declaredBytes === undefined ? {} : { sizeBytes: BigInt(body.declaredBytes) }),
    };
    try {
      const info = infoOf(await send(exchange, context, header, checksums));
      const answer = ["ETag", `"${info.etag}"`, ...checksumHeaders(info.checksums)];
      if (exchange.dialect === "xml") return emptyAnswer(200, answer);
      return jsonAnswer(
        200,
        {
          bucket: bucketName,
          key: info.key,
          etag: info.etag,
          sizeBytes: Number(info.sizeBytes),
          lastModified: isoDate(info.lastModifiedMs),
          checksums: Object.fromEntries(checksumElements(info.checksums)),
        },
        answer,
      );
    } catch (error) {
      if (!hasReason(error, "NO_SUCH_BUCKET")) throw error;
      // The body cannot be read twice. If the bucket was made anew meanwhile, the client is the one to try again.
      const fresh = await authorisedBucket(exchange, context, "write", bucketName, { fresh: true });
      if (fresh.id === bucket.id) throw error;
      throw new CairnError("SERVICE_UNAVAILABLE", {
        message: "The bucket was deleted and made anew while the object was sent.",
        hint: "Send it again.",
        params: { retry_after_seconds: "1" },
      });
    }
  },
};

/** A body that fits one message goes in one; any other one is streamed as it comes. */
async function send(
  exchange: Exchange,
  { objects }: S3Context,
  header: Header,
  checksums: ClaimedChecksums,
): Promise<{ info?: ObjectInfo | undefined }> {
  const { body, call } = exchange;
  const { declaredBytes } = body;
  if (declaredBytes === undefined || declaredBytes > smallBodyBytes)
    return objects.putObject(messages(header, body, checksums), call);
  const content = declaredBytes === 0 ? undefined : await body.next(declaredBytes);
  return objects.putSmallObject(
    { header, content: content ?? new Uint8Array(), finish: finishOf(body, checksums) },
    call,
  );
}

function finishOf(body: RequestBody, checksums: ClaimedChecksums) {
  return { sizeBytes: BigInt(body.receivedBytes), checksums: checksums.claimed };
}

/** What one message carries. */
const smallBodyBytes = 1024 * 1024;

/** Chunks that travel well: each message costs the same on its way through four services, however short it is. */
const chunkBytes = 256 * 1024;

/** Header, the body's chunks, and Finish only behind a body that ended as it should (DESIGN §5.2). */
async function* messages(
  header: Header,
  body: RequestBody,
  checksums: ClaimedChecksums,
): AsyncGenerator<MessageInitShape<typeof PutObjectRequestSchema>> {
  yield { part: { case: "header", value: header } };
  for (let chunk = await body.next(chunkBytes); chunk !== undefined; chunk = await body.next(chunkBytes)) {
    yield { part: { case: "chunk", value: chunk } };
  }
  yield { part: { case: "finish", value: finishOf(body, checksums) } };
}
