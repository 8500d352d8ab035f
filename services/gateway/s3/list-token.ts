import { createCipheriv, createHmac, timingSafeEqual } from "node:crypto";
import type { IdentityService } from "../../../gen/cairn/identity/v1/identity_pb";
import { CairnError } from "../../common/errors/cairn-error";
import type { Call } from "../../common/rpc/call";
import type { ServiceClient } from "../../common/rpc/service";

/** What a continuation token is bound to: it continues this listing and no other. */
export type Listing = { readonly bucketId: string; readonly prefix: string; readonly delimiter: string };

const version = 2;
const macBytes = 16;

/** Continuation tokens: where a listing goes on, sealed with a key that all gateways share. */
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
  const tag = mac(key, listing, after);
  return Buffer.concat([Buffer.from([version]), tag, crypt(key, tag, Buffer.from(after))]).toString(
    "base64url",
  );
}

export function openToken(key: Uint8Array, listing: Listing, token: string): string {
  const bytes = Buffer.from(token, "base64url");
  if (bytes.toString("base64url") !== token || bytes.length <= macBytes + 1 || bytes[0] !== version) {
    throw invalidToken();
  }
  const tag = bytes.subarray(1, 1 + macBytes);
  const after = crypt(key, tag, bytes.subarray(1 + macBytes)).toString("utf8");
  if (!timingSafeEqual(tag, mac(key, listing, after))) throw invalidToken();
  return after;
}

function invalidToken(): CairnError {
  return new CairnError("INVALID_TOKEN", {
    message: "The continuation token was not made for this listing.",
    hint: "Use the token of the former page, with the same bucket, prefix and delimiter.",
  });
}

/**
 * Encrypts or decrypts with the signature as the nonce (a synthetic one, as in RFC 5297): the token is opaque, so that
 * no client comes to rest on what is in it, and the same position always has the same token.
 */
function crypt(key: Uint8Array, tag: Uint8Array, text: Uint8Array): Buffer {
  const cipherKey = createHmac("sha256", key).update("list-token-encryption").digest();
  const cipher = createCipheriv("aes-256-ctr", cipherKey, tag);
  return Buffer.concat([cipher.update(text), cipher.final()]);
}

function mac(key: Uint8Array, listing: Listing, after: string): Buffer {
  const hmac = createHmac("sha256", key).update(`list-token-${version}`);
  // Each part with its length, so that no two listings sign the same bytes.
  for (const part of [listing.bucketId, listing.prefix, listing.delimiter, after]) {
    hmac.update(`\0${Buffer.byteLength(part)}\0`).update(part);
  }
  return hmac.digest().subarray(0, macBytes);
}
