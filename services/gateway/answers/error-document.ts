import type { CairnError } from "../../common/errors/cairn-error";
import type { Dialect } from "./dialect";
import { XmlWriter } from "./xml-writer";

/** An error as clients read it: JSON `{error:{code,message,resource,requestId,hint}}`, or S3's XML document. */
export function errorDocument(
  error: CairnError,
  options: { dialect: Dialect; resource: string; requestId: string },
): string {
  const resource = error.resource === "" ? options.resource : error.resource;
  if (options.dialect === "json") {
    return JSON.stringify({
      error: {
        code: error.entry.s3,
        message: error.message,
        resource,
        requestId: options.requestId,
        ...(error.hint === "" ? {} : { hint: error.hint }),
      },
    });
  }
  return new XmlWriter()
    .open("Error")
    .element("Code", error.entry.s3)
    .element("Message", error.hint === "" ? error.message : `${error.message} ${error.hint}`)
    .element("Resource", resource)
    .element("RequestId", options.requestId)
    .end();
}

/** Header fields that an error asks for, flat: name, value, name, value. */
export function errorHeaders(error: CairnError): string[] {
  const headers: string[] = [];
  const wait = error.params.retry_after_seconds ?? error.entry.retryAfterSeconds;
  if (wait !== undefined) headers.push("Retry-After", String(wait));
  if (error.reason === "RANGE_NOT_SATISFIABLE" && error.params.size_bytes !== undefined) {
    headers.push("Content-Range", `bytes */${error.params.size_bytes}`);
  }
  if (error.entry.http === 401) headers.push("WWW-Authenticate", 'Bearer realm="cairn"');
  if (error.params.allow !== undefined) headers.push("Allow", error.params.allow);
  return headers;
}
