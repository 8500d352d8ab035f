import { hash } from "node:crypto";
import type { IdentityService, Principal } from "../../../gen/cairn/identity/v1/identity_pb";
import { CairnError } from "../../common/errors/cairn-error";
import type { Call } from "../../common/rpc/call";
import type { ServiceClient } from "../../common/rpc/service";
import type { Clock } from "../../common/time/clock";
import { BoundedCache } from "./bounded-cache";

/**
 * Who asks, by the Authorization header. Answers of the identity service are used again for as long as it allows,
 * which bounds how long a revoked key lives; the cache knows keys by their SHA-256 alone (I9).
 */
export class Authenticator {
  readonly #identity: ServiceClient<typeof IdentityService>;
  readonly #clock: Clock;
  readonly #known: BoundedCache<Principal>;

  constructor(options: {
    identity: ServiceClient<typeof IdentityService>;
    clock: Clock;
    cacheEntries: number;
  }) {
    this.#identity = options.identity;
    this.#clock = options.clock;
    this.#known = new BoundedCache(options.cacheEntries);
  }

  /** Errors: MISSING_KEY, UNSUPPORTED_AUTHORIZATION, and those of IdentityService.Authenticate. */
  async authenticate(
    credentials: { authorization: string | undefined; signedQuery: boolean },
    sourceIp: string,
    call: Call,
  ): Promise<Principal> {
    const key = bearerKey(credentials.authorization, credentials.signedQuery);
    const digest = hash("sha256", key, "base64");
    const known = this.#known.get(digest, this.#clock.monotonicMs());
    if (known !== undefined) {
      if (known.expiresAtMs !== 0n && known.expiresAtMs <= this.#clock.nowMs())
        throw new CairnError("EXPIRED_KEY");
      return known;
    }
    const askedAtMs = this.#clock.monotonicMs();
    const { principal, cacheTtlMs } = await this.#identity.authenticate({ apiKey: key, sourceIp }, call);
    if (principal === undefined) throw new CairnError("INVALID_KEY");
    // Counted from the question, not from the answer: the key may have been revoked on the answer's way.
    if (cacheTtlMs > 0n) this.#known.set(digest, principal, askedAtMs + Number(cacheTtlMs));
    return principal;
  }
}

const maxKeyLength = 256;

/** The key text of a Bearer header. Errors: MISSING_KEY, UNSUPPORTED_AUTHORIZATION, INVALID_KEY. */
export function bearerKey(authorization: string | undefined, signedQuery: boolean): string {
  if (authorization === undefined) {
    if (signedQuery) throw unsupported("a presigned URL");
    throw new CairnError("MISSING_KEY", { hint: "Send the header Authorization: Bearer s3_key_…" });
  }
  const space = authorization.indexOf(" ");
  const scheme = space === -1 ? authorization : authorization.slice(0, space);
  if (scheme.toLowerCase() !== "bearer") throw unsupported(`the scheme "${scheme.slice(0, 32)}"`);
  const key = space === -1 ? "" : authorization.slice(space + 1).trim();
  if (key === "")
    throw new CairnError("MISSING_KEY", { hint: "Send the header Authorization: Bearer s3_key_…" });
  if (key.length > maxKeyLength) throw new CairnError("INVALID_KEY");
  return key;
}

function unsupported(what: string): CairnError {
  return new CairnError("UNSUPPORTED_AUTHORIZATION", {
    message: `This version does not accept ${what}: AWS signatures are not implemented yet.`,
    hint: "Send the header Authorization: Bearer s3_key_…",
  });
}
