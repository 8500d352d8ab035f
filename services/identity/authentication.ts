import { timingSafeEqual } from "node:crypto";
import { CairnError } from "../common/errors/cairn-error";
import type { Clock } from "../common/time/clock";
import type { FailureLimit } from "./failure-limit";
import { apiKeyDigest } from "./key-text";
import type { LastUsed } from "./last-used";
import type { FoundKey, Stores } from "./store";

export type Authenticated = Pick<FoundKey, "key" | "user"> & {
  /** The answer may be used for so long: less than 5 s, and not past the key's expiry. */
  readonly cacheTtlMs: number;
};

/** Who holds a Bearer key. One read by a unique index; nothing is cached here, so a revocation counts at once. */
export class Authentication {
  readonly #stores: Stores;
  readonly #digestKey: Buffer;
  readonly #failures: FailureLimit;
  readonly #lastUsed: LastUsed;
  readonly #clock: Clock;
  readonly #cacheTtlMs: number;

  constructor(options: {
    stores: Stores;
    digestKey: Buffer;
    failures: FailureLimit;
    lastUsed: LastUsed;
    clock: Clock;
    cacheTtlMs: number;
  }) {
    this.#stores = options.stores;
    this.#digestKey = options.digestKey;
    this.#failures = options.failures;
    this.#lastUsed = options.lastUsed;
    this.#clock = options.clock;
    this.#cacheTtlMs = options.cacheTtlMs;
  }

  /** Throws INVALID_KEY, REVOKED_KEY, EXPIRED_KEY; TOO_MANY_FAILURES before it looks at the key. */
  async authenticate(text: string, sourceIp: string): Promise<Authenticated> {
    await this.#failures.check(sourceIp);
    const digest = apiKeyDigest(this.#digestKey, text);
    const found = await this.#stores.read.findApiKeyByDigest(digest);
    const nowMs = this.#clock.nowMs();
    const refusal = refuse(found, digest, nowMs);
    if (found === undefined || refusal !== undefined) {
      await this.#failures.note(sourceIp);
      throw refusal ?? new CairnError("INVALID_KEY");
    }
    this.#lastUsed.note(found.key.id, nowMs);
    const lifeMs = found.key.expiresAtMs === 0 ? Number.POSITIVE_INFINITY : found.key.expiresAtMs - nowMs;
    return { key: found.key, user: found.user, cacheTtlMs: Math.min(this.#cacheTtlMs, lifeMs) };
  }
}

function refuse(found: FoundKey | undefined, digest: string, nowMs: number): CairnError | undefined {
  // The index compares in its own time; what decides compares in constant time.
  if (found === undefined || !timingSafeEqual(Buffer.from(found.digest), Buffer.from(digest))) {
    return new CairnError("INVALID_KEY", { hint: "Check the key, or make a new one: cairn admin new-key." });
  }
  const { key } = found;
  if (key.revokedAtMs > 0) {
    return new CairnError("REVOKED_KEY", { message: `The key ${key.id} was revoked.`, resource: key.id });
  }
  if (key.expiresAtMs > 0 && key.expiresAtMs <= nowMs) {
    const at = new Date(key.expiresAtMs).toISOString();
    return new CairnError("EXPIRED_KEY", {
      message: `The key ${key.id} expired at ${at}.`,
      resource: key.id,
    });
  }
  return undefined;
}
