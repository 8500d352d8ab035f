import { createHmac, timingSafeEqual } from "node:crypto";
import type { IdentityService } from "../../../gen/cairn/identity/v1/identity_pb";
import { CairnError } from "../../common/errors/cairn-error";
import type { Call } from "../../common/rpc/call";
import type { ServiceClient } from "../../common/rpc/service";

/** What a continuation token is bound to: it continues this listing and no other. */
export type Listing = { readonly bucketId: string; readonly prefix: string; readonly delimiter: string };

const version = 1;
const macBytes = 16;

/** Continuation tokens: where a listing goes on, signed with a key that all gateways share. */
export class ListTokens {
  readonly #identity: ServiceClient<typeof IdentityService>;
  #key: Uint8Array | undefined;

  constructor(identity: ServiceClient<typeof IdentityService>) {
    this.#identity = identity;
  }

  async seal(listing: Listing, after: string, call: Call): Promise<string> {
    return sealToken(await this.#tokenKey(call), listing, after);
  }

  /** Where the listing goes on. Errors: INVALID_TOKEN. */
  async open(listing: Listing, token: string, call: Call): Promise<string> {
    return openToken(await this.#tokenKey(call), listing, token);
  }

  async #tokenKey(call: Call): Promise<Uint8Array> {
    this.#key ??= (await this.#identity.getTokenKey({}, call)).key;
    return this.#key;
  }
}

export function sealToken(key: Uint8Array, listing: Listing, after: string): string {
  return Buffer.concat([Buffer.from([version]), mac(key, listing, after), Buffer.from(after)]).toString(
    "base64url",
  );
}

export function openToken(key: Uint8Array, listing: Listing, token: string): string {
  const bytes = Buffer.from(token, "base64url");
  const after = bytes.subarray(1 + macBytes).toString("utf8");
  if (
    bytes.toString("base64url") !== token ||
    bytes.length <= macBytes + 1 ||
    bytes[0] !== version ||
    !timingSafeEqual(bytes.subarray(1, 1 + macBytes), mac(key, listing, after))
  ) {
    throw new CairnError("INVALID_TOKEN", {
      message: "The continuation token was not made for this listing.",
      hint: "Use the token of the former page, with the same bucket, prefix and delimiter.",
    });
  }
  return after;
}

function mac(key: Uint8Array, listing: Listing, after: string): Buffer {
  const hmac = createHmac("sha256", key).update(`list-token-${version}`);
  // Each part with its length, so that no two listings sign the same bytes.
  for (const part of [listing.bucketId, listing.prefix, listing.delimiter, after]) {
    hmac.update(`\0${Buffer.byteLength(part)}\0`).update(part);
  }
  return hmac.digest().subarray(0, macBytes);
}
