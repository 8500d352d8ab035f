import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Version } from "../../gen/cairn/metadata/v1/metadata_pb";
import type { ObjectInfoSchema } from "../../gen/cairn/object/v1/object_pb";

export type ObjectInfoInit = MessageInitShape<typeof ObjectInfoSchema>;

/** What a reader is told of a version. */
export function infoOf(version: Version): ObjectInfoInit {
  const content = version.content;
  return {
    key: version.key,
    versionId: version.versionId,
    sizeBytes: content?.sizeBytes ?? 0n,
    etag: content?.etag ?? "",
    lastModifiedMs: version.createdAtMs,
    ...(content?.headers === undefined ? {} : { headers: content.headers }),
    ...(content?.checksums === undefined ? {} : { checksums: content.checksums }),
  };
}
