import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Version } from "../../gen/cairn/metadata/v1/metadata_pb";
import type { ObjectInfo, ObjectInfoSchema } from "../../gen/cairn/object/v1/object_pb";

export type ObjectInfoInit = MessageInitShape<typeof ObjectInfoSchema>;

/** What a reader is told of a version: a whole message, literally, since listings make a thousand of them. */
export function infoOf(version: Version): ObjectInfo {
  const content = version.content;
  const info: ObjectInfo = {
    $typeName: "cairn.object.v1.ObjectInfo",
    key: version.key,
    versionId: version.versionId,
    sizeBytes: content?.sizeBytes ?? 0n,
    etag: content?.etag ?? "",
    lastModifiedMs: version.createdAtMs,
  };
  if (content?.headers !== undefined) info.headers = content.headers;
  if (content?.checksums !== undefined) info.checksums = content.checksums;
  return info;
}
