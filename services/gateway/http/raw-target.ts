import { isUtf8 } from "node:buffer";
import { CairnError } from "../../common/errors/cairn-error";

/**
 * The one parser of request targets (DESIGN §5.1): routing, authorisation and storage all use its result, never a
 * second parse. A key is what follows the bucket's slash, percent-decoded once and then left alone: no dot segment
 * is resolved, no slash merged, nothing normalised.
 */
export type RawTarget = {
  /** The path as it came, without the query; for logs and routing of `/_/`. */
  readonly rawPath: string;
  /** Empty for `/`. */
  readonly bucket: string;
  /** Undefined for `/bucket` and `/bucket/`. */
  readonly key: string | undefined;
  readonly query: Query;
};

/** Decoded parameters in their order; a name without "=" has the empty value. */
export type Query = ReadonlyMap<string, string>;

const maxKeyBytes = 1024;
const maxParameters = 64;
const noQuery: Query = new Map();

/** Parses what node:http gives as `req.url`: the bytes of the target as Latin-1. Errors: INVALID_URI, KEY_TOO_LONG. */
export function parseTarget(url: string): RawTarget {
  if (url.charCodeAt(0) !== 0x2f) {
    throw new CairnError("INVALID_URI", {
      message: "The request target is not a path: it must begin with a slash.",
      hint: "Send the path alone in the request line and the host in the Host header.",
    });
  }
  if (url.includes("#")) {
    throw new CairnError("INVALID_URI", {
      message: "The request target holds a bare '#'.",
      hint: "Write # as %23.",
    });
  }
  const mark = url.indexOf("?");
  const rawPath = mark === -1 ? url : url.slice(0, mark);
  const query = mark === -1 ? noQuery : parseQuery(url.slice(mark + 1));
  const slash = rawPath.indexOf("/", 1);
  if (slash === -1) return { rawPath, bucket: decode(rawPath.slice(1)), key: undefined, query };
  const bucket = decode(rawPath.slice(1, slash));
  const rawKey = rawPath.slice(slash + 1);
  if (bucket === "" && slash === 1) {
    throw new CairnError("INVALID_URI", { message: "The bucket name before the second slash is empty." });
  }
  return { rawPath, bucket, key: rawKey === "" ? undefined : parseKey(rawKey), query };
}

/** A percent-encoded key, decoded and checked. Errors: INVALID_URI, INVALID_KEY_NAME, KEY_TOO_LONG. */
export function parseKey(rawKey: string): string {
  const key = decode(rawKey);
  checkKey(key);
  return key;
}

/** Errors: INVALID_KEY_NAME for what no key may be, KEY_TOO_LONG above 1,024 bytes of UTF-8. */
export function checkKey(key: string): void {
  if (key === "") throw new CairnError("INVALID_KEY_NAME", { message: "The key is empty." });
  if (key.includes("\0")) {
    throw new CairnError("INVALID_KEY_NAME", {
      message: "The key holds a NUL character.",
      hint: "Every other character is allowed.",
    });
  }
  if (/\p{Surrogate}/u.test(key)) {
    throw new CairnError("INVALID_KEY_NAME", { message: "The key holds half of a surrogate pair." });
  }
  const bytes = Buffer.byteLength(key);
  if (bytes > maxKeyBytes) {
    throw new CairnError("KEY_TOO_LONG", {
      message: `The key is ${bytes} bytes long, at most 1,024 are allowed.`,
    });
  }
}

/** Percent-encoded bytes, each at most once decoded, as the UTF-8 text that they are. Errors: INVALID_URI. */
export function decode(raw: string): string {
  if (/^[\x21-\x24\x26-\x7e]*$/.test(raw)) return raw;
  const bytes = Buffer.allocUnsafe(raw.length);
  let length = 0;
  for (let i = 0; i < raw.length; i++) {
    let byte = raw.charCodeAt(i);
    if (byte === 0x25) {
      const high = hexDigit(raw.charCodeAt(i + 1));
      const low = hexDigit(raw.charCodeAt(i + 2));
      if (high < 0 || low < 0) {
        throw new CairnError("INVALID_URI", {
          message: `Bad percent encoding: "${raw.slice(i, i + 3)}".`,
          hint: "Write a percent sign as %25.",
        });
      }
      byte = high * 16 + low;
      i += 2;
    }
    bytes[length++] = byte;
  }
  const decoded = bytes.subarray(0, length);
  if (!isUtf8(decoded)) {
    throw new CairnError("INVALID_URI", { message: "The request target is not valid UTF-8 once decoded." });
  }
  return decoded.toString("utf8");
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x41 && code <= 0x46) return code - 0x37;
  if (code >= 0x61 && code <= 0x66) return code - 0x57;
  return -1;
}

/** Splits a raw query once. A plus sign is a space here, as in every S3 client. Errors: INVALID_URI. */
function parseQuery(raw: string): Query {
  if (raw === "") return noQuery;
  const query = new Map<string, string>();
  for (const part of raw.split("&")) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    const name = decode((equals === -1 ? part : part.slice(0, equals)).replaceAll("+", " "));
    const value = equals === -1 ? "" : decode(part.slice(equals + 1).replaceAll("+", " "));
    if (query.has(name)) {
      throw new CairnError("INVALID_URI", { message: `The query parameter "${name}" is given twice.` });
    }
    if (query.size === maxParameters)
      throw new CairnError("INVALID_URI", { message: "The query has too many parameters." });
    query.set(name, value);
  }
  return query;
}
