import type { IncomingHttpHeaders } from "node:http";
import { CairnError } from "../../common/errors/cairn-error";

/** Values that mean the same as no header at all. */
const harmless: Readonly<Record<string, readonly string[]>> = {
  "x-amz-acl": ["private", "bucket-owner-full-control"],
  "x-amz-storage-class": ["STANDARD"],
  "x-amz-object-ownership": ["BucketOwnerEnforced"],
  "x-amz-tagging-directive": ["COPY"],
  "x-amz-bucket-object-lock-enabled": ["false"],
};

const unsupported =
  /^x-amz-(?:acl|storage-class|object-ownership|tagging|tagging-directive|grant-.*|server-side-encryption.*|copy-source-server-side-encryption.*|object-lock-.*|bucket-object-lock-enabled|website-redirect-location|write-offset-bytes|checksum-algorithm|mfa|bypass-governance-retention|expected-bucket-owner|source-expected-bucket-owner)$/;

/**
 * Refuses header fields that ask for what is not implemented: to ignore them would store an object without the
 * encryption, lock or tags that the client relies on. Errors: NOT_IMPLEMENTED.
 */
export function refuseUnsupportedHeaders(headers: IncomingHttpHeaders): void {
  for (const name in headers) {
    if (!name.startsWith("x-amz-") || !unsupported.test(name)) continue;
    const value = String(headers[name]);
    if (harmless[name]?.includes(value)) continue;
    throw new CairnError("NOT_IMPLEMENTED", {
      message: `The header ${name}: ${value.slice(0, 64)} asks for something that is not implemented.`,
      hint: "Leave the header out.",
    });
  }
}
