import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Outcome, VersionContentSchema } from "../../gen/cairn/metadata/v1/metadata_pb";
import type { PutObjectFinish, PutObjectHeader } from "../../gen/cairn/object/v1/object_pb";
import { CairnError } from "../common/errors/cairn-error";
import type { Change } from "./commit";
import { checkClaims, type Digested } from "./digests";
import { type DurableBlob, newBlob, wholeBlob } from "./durable-blob";
import type { ObjectInfoInit } from "./object-info";

export type ContentInit = MessageInitShape<typeof VersionContentSchema>;

/**
 * What a version says of a body that has come whole. Throws SIZE_MISMATCH, CHECKSUM_MISMATCH,
 * INVALID_ARGUMENT when it is not what was announced.
 */
export function checkedContent(
  { checksums, sizeBytes }: Digested,
  header: PutObjectHeader,
  finish: PutObjectFinish,
): ContentInit {
  checkClaims(checksums, sizeBytes, finish);
  if (header.sizeBytes !== undefined && header.sizeBytes !== BigInt(sizeBytes)) {
    throw new CairnError("SIZE_MISMATCH", {
      message: `${sizeBytes} bytes came, ${header.sizeBytes} were announced.`,
    });
  }
  return {
    sizeBytes: BigInt(sizeBytes),
    etag: Buffer.from(checksums.md5).toString("hex"),
    checksums,
    ...(header.headers === undefined ? {} : { headers: header.headers }),
  };
}

/** The command that commits a body of one blob or none, once the bucket's configuration is known. */
export function putVersion(
  { bucket, key, conditions }: PutObjectHeader,
  content: ContentInit,
  blob: DurableBlob | undefined,
): (configVersion: bigint) => Change {
  return (configVersion) => ({
    case: "putVersion",
    value: {
      bucketId: bucket?.bucketId ?? "",
      configVersion,
      key,
      content,
      ...(conditions === undefined ? {} : { conditions }),
      extents: blob === undefined ? [] : [wholeBlob(blob)],
      newBlobs: blob === undefined ? [] : [newBlob(blob)],
    },
  });
}

/** What the writer is told. */
export function putInfo(header: PutObjectHeader, content: ContentInit, outcome: Outcome): ObjectInfoInit {
  const version = outcome.result.case === "version" ? outcome.result.value : undefined;
  return {
    key: header.key,
    versionId: version?.versionId ?? "",
    lastModifiedMs: version?.createdAtMs ?? 0n,
    sizeBytes: content.sizeBytes ?? 0n,
    etag: content.etag ?? "",
    ...(content.headers == null ? {} : { headers: content.headers }),
    ...(content.checksums == null ? {} : { checksums: content.checksums }),
  };
}
