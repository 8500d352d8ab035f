import type { IncomingHttpHeaders } from "node:http";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Checksums, ChecksumsSchema } from "../../../gen/cairn/common/v1/common_pb";
import { ChecksumAlgorithm } from "../../../gen/cairn/object/v1/object_pb";
import { CairnError } from "../../common/errors/cairn-error";

type ChecksumName = "crc32" | "crc32c" | "crc64nvme" | "sha1" | "sha256";

const algorithms: readonly {
  name: ChecksumName;
  algorithm: ChecksumAlgorithm;
  bytes: number;
  label: string;
}[] = [
  { name: "crc32", algorithm: ChecksumAlgorithm.CRC32, bytes: 4, label: "CRC32" },
  { name: "crc32c", algorithm: ChecksumAlgorithm.CRC32C, bytes: 4, label: "CRC32C" },
  { name: "crc64nvme", algorithm: ChecksumAlgorithm.CRC64NVME, bytes: 8, label: "CRC64NVME" },
  { name: "sha1", algorithm: ChecksumAlgorithm.SHA1, bytes: 20, label: "SHA1" },
  { name: "sha256", algorithm: ChecksumAlgorithm.SHA256, bytes: 32, label: "SHA256" },
];

export type ClaimedChecksums = {
  /** What the client says of the body. */
  readonly claimed: MessageInitShape<typeof ChecksumsSchema>;
  /** What is to be computed and kept. */
  readonly algorithms: ChecksumAlgorithm[];
};

/**
 * Content-MD5, x-amz-checksum-*, x-amz-sdk-checksum-algorithm and x-amz-content-sha256.
 * Errors: INVALID_DIGEST, INVALID_REQUEST, NOT_IMPLEMENTED for bodies in aws-chunked coding.
 */
export function claimedChecksums(headers: IncomingHttpHeaders): ClaimedChecksums {
  refuseAwsChunked(headers);
  const claimed: MessageInitShape<typeof ChecksumsSchema> = {};
  const wanted: ChecksumAlgorithm[] = [];
  const md5 = headers["content-md5"];
  if (typeof md5 === "string") claimed.md5 = digest(md5, 16, "Content-MD5");
  for (const { name, algorithm, bytes } of algorithms) {
    const value = headers[`x-amz-checksum-${name}`];
    if (typeof value !== "string") continue;
    if (wanted.length > 0) {
      throw new CairnError("INVALID_REQUEST", { message: "Only one x-amz-checksum-* header may be sent." });
    }
    claimed[name] = digest(value, bytes, `x-amz-checksum-${name}`);
    wanted.push(algorithm);
  }
  const named = headers["x-amz-sdk-checksum-algorithm"];
  if (typeof named === "string") {
    const algorithm = algorithms.find(({ label }) => label === named.toUpperCase())?.algorithm;
    if (algorithm === undefined || (wanted.length > 0 && wanted[0] !== algorithm)) {
      throw new CairnError("INVALID_REQUEST", {
        message: `The value "${named.slice(0, 32)}" of x-amz-sdk-checksum-algorithm is unknown, or not the algorithm of the checksum sent.`,
        hint: `Known are ${algorithms.map(({ label }) => label).join(", ")}.`,
      });
    }
    if (wanted.length === 0) wanted.push(algorithm);
  }
  const payload = headers["x-amz-content-sha256"];
  if (typeof payload === "string" && payload !== "UNSIGNED-PAYLOAD") {
    if (!/^[0-9a-f]{64}$/i.test(payload)) {
      throw new CairnError("INVALID_DIGEST", {
        message: "x-amz-content-sha256 is not 64 hexadecimal digits.",
      });
    }
    const sha256 = Buffer.from(payload, "hex");
    if (claimed.sha256 !== undefined && !sha256.equals(claimed.sha256)) {
      throw new CairnError("CHECKSUM_MISMATCH", {
        message: "x-amz-content-sha256 and x-amz-checksum-sha256 differ.",
      });
    }
    claimed.sha256 = sha256;
    if (!wanted.includes(ChecksumAlgorithm.SHA256)) wanted.push(ChecksumAlgorithm.SHA256);
  }
  return { claimed, algorithms: wanted };
}

/** The kept checksums as header fields, flat; empty when there are none. */
export function checksumHeaders(checksums: Checksums | undefined): string[] {
  const headers: string[] = [];
  if (checksums === undefined) return headers;
  for (const { name } of algorithms) {
    const value = checksums[name];
    if (value.length > 0) headers.push(`x-amz-checksum-${name}`, Buffer.from(value).toString("base64"));
  }
  if (headers.length > 0) headers.push("x-amz-checksum-type", "FULL_OBJECT");
  return headers;
}

/** The same as elements of an XML or JSON answer: ChecksumCRC32 and so on. */
export function checksumElements(checksums: Checksums | undefined): [string, string][] {
  if (checksums === undefined) return [];
  return algorithms
    .filter(({ name }) => checksums[name].length > 0)
    .map(({ name, label }) => [`Checksum${label}`, Buffer.from(checksums[name]).toString("base64")]);
}

function digest(value: string, bytes: number, header: string): Buffer {
  const decoded = Buffer.from(value, "base64");
  if (decoded.length !== bytes || decoded.toString("base64") !== value) {
    throw new CairnError("INVALID_DIGEST", {
      message: `${header} is not the base64 form of ${bytes} bytes.`,
    });
  }
  return decoded;
}

function refuseAwsChunked(headers: IncomingHttpHeaders): void {
  const coded = /(?:^|,)\s*aws-chunked\s*(?:,|$)/i.test(headers["content-encoding"] ?? "");
  const streaming = String(headers["x-amz-content-sha256"] ?? "").startsWith("STREAMING-");
  if (!coded && !streaming && headers["x-amz-trailer"] === undefined) return;
  throw new CairnError("NOT_IMPLEMENTED", {
    message: "Bodies in aws-chunked coding are not implemented yet.",
    hint: "Send the body plain, with Content-Length or chunked transfer coding, and the checksum in a header.",
  });
}
