import type { GetObjectHeader, ObjectInfo } from "../../../gen/cairn/object/v1/object_pb";
import { CairnError } from "../../common/errors/cairn-error";
import { httpDate } from "../answers/dates";
import { checksumHeaders } from "./checksums";
import { pushContentHeaders } from "./content-headers";

/** Status and header fields that GET and HEAD of an object share. */
export function objectAnswer(
  header: GetObjectHeader,
  options: { overrides: ReadonlyMap<string, string>; withChecksums: boolean },
): { status: 200 | 206 | 304; headers: string[] } {
  const info = infoOf(header);
  const headers = [
    "ETag",
    `"${info.etag}"`,
    "Last-Modified",
    httpDate(info.lastModifiedMs),
    "Accept-Ranges",
    "bytes",
  ];
  if (header.notModified) {
    if (info.headers?.cacheControl) headers.push("Cache-Control", info.headers.cacheControl);
    return { status: 304, headers };
  }
  pushContentHeaders(headers, info.headers, options.overrides);
  headers.push("Content-Length", String(header.lengthBytes));
  // The checksums are those of the whole object: beside a part of it they would only mislead.
  if (options.withChecksums && !header.partial) headers.push(...checksumHeaders(info.checksums));
  if (!header.partial) return { status: 200, headers };
  const last = header.offsetBytes + header.lengthBytes - 1n;
  headers.push("Content-Range", `bytes ${header.offsetBytes}-${last}/${info.sizeBytes}`);
  return { status: 206, headers };
}

export function infoOf(message: { info?: ObjectInfo | undefined }): ObjectInfo {
  if (message.info === undefined)
    throw new CairnError("INTERNAL", { message: "The object service answered without info." });
  return message.info;
}
