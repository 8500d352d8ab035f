/**
 * GetObject: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
 * Range (one; several are ignored, as S3 does), If-Range, If-*, response-*, x-amz-checksum-mode.
 * Left out: versionId, partNumber, customer-provided encryption keys.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  GetObjectHeader,
  GetObjectRequest,
  GetObjectRequestSchema,
  GetObjectResponse,
  RangeRequestSchema,
} from "../../../gen/cairn/object/v1/object_pb";
import { CairnError, hasReason } from "../../common/errors/cairn-error";
import type { Call } from "../../common/rpc/call";
import type { Answer, ByteStream } from "../answers/answer";
import type { Exchange } from "../http/exchange";
import { httpDateMs, readConditions } from "./conditions";
import { overrideParameters, responseOverrides } from "./content-headers";
import { infoOf, objectAnswer } from "./object-answer";
import { parseRange } from "./range";
import { bucketRef, keyOf, type S3Context, type S3Operation, withBucket } from "./s3-operation";
import { refuseUnsupportedHeaders } from "./unsupported-headers";

export const getObject: S3Operation = {
  name: "GetObject",
  query: overrideParameters,
  async handle(exchange, context) {
    const { headers } = exchange.req;
    let overrides: ReadonlyMap<string, string> = new Map();
    const reading = await withBucket(exchange, context, "read", async (bucket) => {
      refuseUnsupportedHeaders(headers);
      overrides = responseOverrides(exchange.target?.query ?? overrides);
      const request = { bucket: bucketRef(bucket), key: keyOf(exchange), ...conditionsOf(exchange) };
      return open(exchange, context, request, parseRange(headers.range));
    });
    const answer = objectAnswer(reading.header, {
      overrides,
      withChecksums: headers["x-amz-checksum-mode"] === "ENABLED",
    });
    if (answer.status === 304) {
      reading.close();
      return answer;
    }
    return { ...answer, stream: reading } satisfies Answer;
  },
};

/** A request as this file builds it: never a whole message. */
type Request = Exclude<MessageInitShape<typeof GetObjectRequestSchema>, GetObjectRequest>;

function conditionsOf(exchange: Exchange): Pick<Request, "conditions"> {
  const conditions = readConditions(exchange.req.headers);
  return conditions === undefined ? {} : { conditions };
}

/** Opens the stream and reads its header. A range whose If-Range does not hold is asked for again as a whole. */
async function open(
  exchange: Exchange,
  context: S3Context,
  request: Request,
  range: MessageInitShape<typeof RangeRequestSchema> | undefined,
): Promise<Reading> {
  const read = (wanted: Request) => Reading.open(context, wanted, exchange.call);
  const ifRange = exchange.req.headers["if-range"];
  if (range === undefined) return read(request);
  const ranged = { ...request, range };
  if (typeof ifRange !== "string") return read(ranged);
  try {
    const reading = await read(ranged);
    if (holds(ifRange, reading.header)) return reading;
    reading.close();
  } catch (error) {
    // Whether the range fits says nothing while the validator may not hold.
    if (!hasReason(error, "RANGE_NOT_SATISFIABLE")) throw error;
  }
  return read(request);
}

/** If-Range (RFC 9110 section 13.1.5): the same strong tag, or exactly the same date. */
function holds(ifRange: string, header: GetObjectHeader): boolean {
  const info = infoOf(header);
  if (ifRange.startsWith('"')) return ifRange === `"${info.etag}"`;
  const dateMs = httpDateMs(ifRange);
  return dateMs !== undefined && Math.floor(Number(info.lastModifiedMs) / 1000) * 1000 === dateMs;
}

/** What a read brings: in one message where it is small, else a stream that is pulled as the client takes it. */
class Reading implements ByteStream {
  readonly header: GetObjectHeader;
  readonly lengthBytes: number;
  #content: Uint8Array | undefined;
  readonly #responses: AsyncIterator<GetObjectResponse> | undefined;
  #receivedBytes = 0;

  private constructor(
    header: GetObjectHeader,
    bytes: { content?: Uint8Array; responses?: AsyncIterator<GetObjectResponse> },
  ) {
    this.header = header;
    this.lengthBytes = Number(header.lengthBytes);
    this.#content = bytes.content;
    this.#responses = bytes.responses;
  }

  static async open({ objects }: S3Context, read: Request, call: Call): Promise<Reading> {
    const small = await objects.getSmallObject({ read }, call);
    if (small.header !== undefined && small.content !== undefined)
      return new Reading(small.header, { content: small.content });
    const responses = objects.getObject(read, call)[Symbol.asyncIterator]();
    const first = await responses.next();
    if (first.done || first.value.part.case !== "header") {
      responses.return?.()?.catch(() => {});
      throw new CairnError("INTERNAL", { message: "The object's stream began without a header." });
    }
    return new Reading(first.value.part.value, { responses });
  }

  async next(): Promise<Uint8Array | undefined> {
    if (this.#responses === undefined) {
      const content = this.#content;
      this.#content = undefined;
      return content;
    }
    while (true) {
      const next = await this.#responses.next();
      if (next.done || next.value.part.case === "trailer") return undefined;
      if (next.value.part.case === "chunk" && next.value.part.value.length > 0) {
        this.#receivedBytes += next.value.part.value.length;
        return next.value.part.value;
      }
    }
  }

  /** Gives the stream up; one whose bytes have all come is read to its trailer, as a reset would cost the session. */
  close(): void {
    const responses = this.#responses;
    if (responses === undefined) return;
    const whole = this.#receivedBytes === this.lengthBytes;
    const rest = whole ? this.next() : Promise.resolve(undefined);
    rest.then(() => responses.return?.()).catch(() => {});
  }
}
