import type { IncomingHttpHeaders } from "node:http";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ContentHeaders, ContentHeadersSchema } from "../../../gen/cairn/common/v1/common_pb";
import { CairnError } from "../../common/errors/cairn-error";
import { headerText } from "../answers/header-text";

type ContentHeadersInit = MessageInitShape<typeof ContentHeadersSchema>;

const prefix = "x-amz-meta-";
const maxUserMetadataBytes = 2 * 1024;
/** A plain object loses a property of this name, and so do messages on the wire; no header name has parentheses. */
const proto = "__proto__";
const protoStandIn = "(__proto__)";

/** What a client says about a body. Errors: METADATA_TOO_LARGE, INVALID_ARGUMENT beyond Latin-1. */
export function contentHeaders(headers: IncomingHttpHeaders): ContentHeadersInit {
  return {
    contentType: one(headers["content-type"]),
    cacheControl: one(headers["cache-control"]),
    contentDisposition: one(headers["content-disposition"]),
    contentEncoding: one(headers["content-encoding"]),
    contentLanguage: one(headers["content-language"]),
    expires: one(headers.expires),
    userMetadata: userMetadata(headers),
  };
}

/**
 * x-amz-meta-* without the prefix. Values are kept byte for byte as Latin-1, RFC 2047 words as they are; text
 * beyond Latin-1 has no form in a header field but such words, and is refused otherwise.
 */
function userMetadata(headers: IncomingHttpHeaders): Record<string, string> {
  const metadata: Record<string, string> = Object.create(null);
  let bytes = 0;
  for (const name in headers) {
    if (!name.startsWith(prefix)) continue;
    const value = one(headers[name]);
    const shortName = name.slice(prefix.length);
    if (shortName === "") throw new CairnError("INVALID_ARGUMENT", { message: "A metadata name is empty." });
    if (isBeyondLatin1(value)) {
      throw new CairnError("INVALID_ARGUMENT", {
        message: `The metadata "${shortName}" holds characters beyond Latin-1.`,
        hint: "Encode the value as RFC 2047 says: =?UTF-8?B?…?=",
      });
    }
    bytes += shortName.length + value.length;
    metadata[shortName === proto ? protoStandIn : shortName] = value;
  }
  if (bytes > maxUserMetadataBytes) {
    throw new CairnError("METADATA_TOO_LARGE", {
      message: `User metadata has ${bytes} bytes of names and values; at most ${maxUserMetadataBytes} are allowed.`,
    });
  }
  return metadata;
}

/** True for raw bytes that are UTF-8 of characters above U+00FF; node:http shows them as Latin-1. */
function isBeyondLatin1(value: string): boolean {
  const text = Buffer.from(value, "latin1").toString("utf8");
  return !text.includes("\ufffd") && /[\u0100-\uffff]/.test(text);
}

/** The header fields of an answer that carries a body with these; flat. Overrides are the `response-*` parameters. */
export function pushContentHeaders(
  answer: string[],
  headers: ContentHeaders | undefined,
  overrides: ReadonlyMap<string, string>,
): void {
  answer.push(
    "Content-Type",
    overrides.get("response-content-type") ??
      (headerText(headers?.contentType ?? "") || "binary/octet-stream"),
  );
  push(answer, "Cache-Control", overrides.get("response-cache-control") ?? headers?.cacheControl);
  push(
    answer,
    "Content-Disposition",
    overrides.get("response-content-disposition") ?? headers?.contentDisposition,
  );
  push(answer, "Content-Encoding", overrides.get("response-content-encoding") ?? headers?.contentEncoding);
  push(answer, "Content-Language", overrides.get("response-content-language") ?? headers?.contentLanguage);
  push(answer, "Expires", overrides.get("response-expires") ?? headers?.expires);
  const metadata = headers?.userMetadata;
  if (metadata === undefined) return;
  for (const name of Object.keys(metadata)) {
    answer.push(prefix + (name === protoStandIn ? proto : name), headerText(metadata[name] ?? ""));
  }
}

export const overrideParameters = [
  "response-content-type",
  "response-cache-control",
  "response-content-disposition",
  "response-content-encoding",
  "response-content-language",
  "response-expires",
] as const;

const noOverrides: ReadonlyMap<string, string> = new Map();

/** The `response-*` parameters as header values. Errors: INVALID_ARGUMENT for control characters. */
export function responseOverrides(query: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  if (query.size === 0) return noOverrides;
  const overrides = new Map<string, string>();
  for (const name of overrideParameters) {
    const value = query.get(name);
    if (value === undefined) continue;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must be refused
    if (/[\u0000-\u001f\u007f]/.test(value)) {
      throw new CairnError("INVALID_ARGUMENT", {
        message: `The parameter ${name} holds control characters.`,
      });
    }
    overrides.set(name, headerText(value));
  }
  return overrides;
}

function push(answer: string[], name: string, value: string | undefined): void {
  if (value !== undefined && value !== "") answer.push(name, headerText(value));
}

function one(value: string | string[] | undefined): string {
  return typeof value === "string" ? value : (value?.join(", ") ?? "");
}
