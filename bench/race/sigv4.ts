import { createHash, createHmac } from "node:crypto";
import type { Dialect } from "../dialect";
import { requestHead } from "../http-connection";

/**
 * Just enough of https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html to ask another store:
 * signed headers, bodies unsigned (UNSIGNED-PAYLOAD, so that neither side hashes them for it), path and query as the
 * bench makes them: already encoded, every parameter with a value.
 */
export type S3Credentials = {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
};

const signedHeaders = "host;x-amz-content-sha256;x-amz-date";

/**
 * Signs each request; the key of the day is derived once a day, as any client does. `now` and `payload`, the hash of
 * the bodies, are there for the page's examples.
 */
export function sigV4(
  credentials: S3Credentials,
  { now = () => new Date(), payload = "UNSIGNED-PAYLOAD" } = {},
): Dialect {
  let key: { readonly day: string; readonly bytes: Buffer } = { day: "", bytes: Buffer.alloc(0) };
  const keyOf = (day: string) => {
    if (key.day !== day) key = { day, bytes: signingKey(credentials, day) };
    return key.bytes;
  };
  return {
    hasBuckets: true,
    head(method, host, path, options = {}) {
      const time = now()
        .toISOString()
        .replace(/[-:]|\.\d{3}/g, "");
      const day = time.slice(0, 8);
      const scope = `${day}/${credentials.region}/s3/aws4_request`;
      const canonical = canonicalRequest(method, host, path, time, payload);
      const toSign = ["AWS4-HMAC-SHA256", time, scope, sha256(canonical)].join("\n");
      const signature = createHmac("sha256", keyOf(day)).update(toSign).digest("hex");
      const fields = {
        Authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKey}/${scope},SignedHeaders=${signedHeaders},Signature=${signature}`,
        "x-amz-content-sha256": payload,
        "x-amz-date": time,
      };
      return requestHead(method, path, { host, fields, ...options });
    },
  };
}

function canonicalRequest(
  method: string,
  host: string,
  target: string,
  time: string,
  payload: string,
): string {
  const [path = "", query = ""] = target.split("?");
  // Of the encoded pairs: their order is that of their bytes.
  const sorted = query.split("&").sort().join("&");
  return [
    method,
    path,
    sorted,
    `host:${host}`,
    `x-amz-content-sha256:${payload}`,
    `x-amz-date:${time}`,
    "",
    signedHeaders,
    payload,
  ].join("\n");
}

function signingKey({ secretKey, region }: S3Credentials, day: string): Buffer {
  const ofDay = hmac(`AWS4${secretKey}`, day);
  return hmac(hmac(hmac(ofDay, region), "s3"), "aws4_request");
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
