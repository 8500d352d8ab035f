import { CairnError } from "../../common/errors/cairn-error";
import type { Dialect } from "../answers/dialect";
import type { Query } from "../http/raw-target";

/** What a listing asks for, of either version of the operation. */
export type ListQuery = {
  /** 2 answers continuation tokens, 1 markers. */
  readonly version: 1 | 2;
  readonly prefix: string;
  readonly delimiter: string;
  readonly maxKeys: number;
  readonly startAfter: string;
  readonly marker: string;
  readonly token: string | undefined;
  readonly urlEncoded: boolean;
  readonly fetchOwner: boolean;
};

export const listParameters = [
  "list-type",
  "prefix",
  "delimiter",
  "max-keys",
  "start-after",
  "marker",
  "continuation-token",
  "encoding-type",
  "fetch-owner",
] as const;

const maxMaxKeys = 1000;
const maxKeyBytes = 1024;

/** Errors: INVALID_ARGUMENT with the parameter and its value. */
export function parseListQuery(query: Query, dialect: Dialect): ListQuery {
  const type = query.get("list-type");
  if (type !== undefined && type !== "2" && type !== "1") throw invalid("list-type", type, "It must be 2.");
  const encoding = query.get("encoding-type");
  if (encoding !== undefined && encoding !== "url")
    throw invalid("encoding-type", encoding, "It must be url.");
  // S3 clients without list-type mean version 1; JSON clients are ours, and get tokens unless they ask for markers.
  const version = type === "2" || (type === undefined && dialect === "json" && !query.has("marker")) ? 2 : 1;
  return {
    version,
    prefix: text(query, "prefix"),
    delimiter: text(query, "delimiter"),
    maxKeys: Math.min(
      maxMaxKeys,
      wholeNumber(query, "max-keys", { least: 0, most: 2 ** 31 - 1 }) ?? maxMaxKeys,
    ),
    startAfter: version === 2 ? text(query, "start-after") : "",
    marker: version === 1 ? text(query, "marker") : "",
    token: version === 2 ? query.get("continuation-token") : undefined,
    urlEncoded: encoding === "url",
    fetchOwner: query.get("fetch-owner") === "true",
  };
}

/** A parameter that is a whole number within bounds; undefined when absent. Errors: INVALID_ARGUMENT. */
export function wholeNumber(
  query: Query,
  name: string,
  bounds: { least: number; most: number },
): number | undefined {
  const value = query.get(name);
  if (value === undefined) return undefined;
  const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= bounds.least && number <= bounds.most) return number;
  throw invalid(name, value, `It must be a whole number from ${bounds.least} to ${bounds.most}.`);
}

/** As clients of encoding-type=url decode it: every byte but unreserved ones and the slash. */
export function urlEncode(key: string): string {
  return encodeURIComponent(key)
    .replaceAll("%2F", "/")
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

function text(query: Query, name: string): string {
  const value = query.get(name) ?? "";
  if (value.includes("\0")) throw invalid(name, value, "It holds a NUL character.");
  if (Buffer.byteLength(value) > maxKeyBytes) throw invalid(name, value, "It is longer than 1,024 bytes.");
  return value;
}

function invalid(name: string, value: string, why: string): CairnError {
  return new CairnError("INVALID_ARGUMENT", {
    message: `The parameter ${name} is "${value.slice(0, 64)}". ${why}`,
  });
}
