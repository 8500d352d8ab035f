import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  Checksums,
  ChecksumsSchema,
  ContentHeaders,
  ContentHeadersSchema,
} from "../../../gen/cairn/common/v1/common_pb";

const headerNames = [
  "contentType",
  "cacheControl",
  "contentDisposition",
  "contentEncoding",
  "contentLanguage",
  "expires",
] as const;
const checksumNames = ["md5", "crc32", "crc32c", "crc64nvme", "sha1", "sha256"] as const;

/** Headers as a column: JSON of what is set, empty for none. */
export function headersToColumn(headers: ContentHeaders | undefined): string {
  if (headers === undefined) return "";
  const set: Record<string, unknown> = {};
  let any = false;
  for (const name of headerNames) {
    if (headers[name] === "") continue;
    set[name] = headers[name];
    any = true;
  }
  const pairs = Object.entries(headers.userMetadata);
  // Pairs, not an object: `__proto__` is a name like any other.
  if (pairs.length > 0) set.userMetadata = pairs;
  return any || pairs.length > 0 ? JSON.stringify(set) : "";
}

export function headersFromColumn(column: string): MessageInitShape<typeof ContentHeadersSchema> {
  if (column === "") return {};
  const { userMetadata, ...rest } = JSON.parse(column);
  return userMetadata === undefined ? rest : { ...rest, userMetadata: Object.fromEntries(userMetadata) };
}

/** Checksums as a column: `name:hex` joined by commas. */
export function checksumsToColumn(checksums: Checksums | undefined): string {
  if (checksums === undefined) return "";
  let column = "";
  for (const name of checksumNames) {
    const bytes = checksums[name];
    if (bytes.length === 0) continue;
    const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
    column += column === "" ? `${name}:${hex}` : `,${name}:${hex}`;
  }
  return column;
}

export function checksumsFromColumn(column: string): MessageInitShape<typeof ChecksumsSchema> {
  const checksums: Record<string, Uint8Array> = {};
  if (column === "") return checksums;
  for (const item of column.split(",")) {
    const colon = item.indexOf(":");
    checksums[item.slice(0, colon)] = Uint8Array.from(Buffer.from(item.slice(colon + 1), "hex"));
  }
  return checksums;
}
