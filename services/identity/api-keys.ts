import { CairnError } from "../common/errors/cairn-error";
import { newId } from "../common/ids/uuid";
import type { Clock } from "../common/time/clock";
import { type ApiKey, type ApiKeySettings, grantsEverything } from "./domain";
import { apiKeyDigest, newApiKeyText } from "./key-text";
import type { Random } from "./seal";
import type { IdentityStore, Stores } from "./store";
import { lastAdmin, noSuchUser } from "./users";

/** A user's keys of one kind, good and revoked together, so that a list has an end (I7). */
export const maxKeysPerUser = 1_000;
/** Revoked keys are listed for this long, and are known as revoked for as long. */
export const keepRevokedMs = 30 * 24 * 60 * 60 * 1_000;

/** Bearer keys. A text leaves here once, at its making (I9). */
export class ApiKeys {
  readonly #stores: Stores;
  readonly #digestKey: Buffer;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(stores: Stores, digestKey: Buffer, clock: Clock, random: Random) {
    this.#stores = stores;
    this.#digestKey = digestKey;
    this.#clock = clock;
    this.#random = random;
  }

  /** Throws NO_SUCH_USER, TOO_MANY_KEYS, INVALID_ARGUMENT for an expiry that has passed. */
  async create(userId: string, settings: ApiKeySettings): Promise<{ key: ApiKey; text: string }> {
    this.#checkExpiry(settings.expiresAtMs);
    return this.#stores.transaction(async (store) => {
      const nowMs = this.#clock.nowMs();
      if ((await store.lockUser(userId)) === undefined) throw noSuchUser(userId);
      await store.forgetRevoked(userId, nowMs - keepRevokedMs);
      if ((await store.listApiKeys(userId)).length >= maxKeysPerUser) throw tooManyKeys(userId);
      return this.add(store, userId, settings);
    });
  }

  /** Adds a key in a transaction that made or locked the user; with a text of the operator's choice, or a new one. */
  async add(
    store: IdentityStore,
    userId: string,
    settings: ApiKeySettings,
    text = newApiKeyText(this.#random),
  ) {
    const { name, grant, expiresAtMs, requestsPerMinute } = settings;
    const key: ApiKey = {
      id: newId(),
      userId,
      ...{ name, grant, expiresAtMs, requestsPerMinute },
      createdAtMs: this.#clock.nowMs(),
      lastUsedAtMs: 0,
      revokedAtMs: 0,
    };
    await store.insertApiKey(key, apiKeyDigest(this.#digestKey, text));
    return { key, text };
  }

  /** Oldest first, revoked ones too. Throws NO_SUCH_USER. */
  async list(userId: string): Promise<ApiKey[]> {
    if ((await this.#stores.read.findUser({ id: userId })) === undefined) throw noSuchUser(userId);
    return this.#stores.read.listApiKeys(userId);
  }

  /** Gives a key a new text; the former one is unknown from now on. Throws NO_SUCH_KEY, REVOKED_KEY. */
  async rotate(id: string): Promise<{ key: ApiKey; text: string }> {
    const text = newApiKeyText(this.#random);
    return this.#change(id, async (store, key) => {
      refuseRevoked(key);
      await store.setDigest(id, apiKeyDigest(this.#digestKey, text));
      return { key, text };
    });
  }

  /**
   * Throws NO_SUCH_KEY, REVOKED_KEY, INVALID_ARGUMENT for an expiry that has passed, and LAST_ADMIN when the last key
   * that opens everything would not any more.
   */
  async update(id: string, settings: ApiKeySettings): Promise<ApiKey> {
    this.#checkExpiry(settings.expiresAtMs);
    return this.#change(id, async (store, key) => {
      refuseRevoked(key);
      if (!grantsEverything(settings.grant)) await this.#keepAnAdmin(store, key);
      await store.setSettings(id, settings);
      return { ...key, ...settings };
    });
  }

  /** Repeatable: the first time stays. Throws NO_SUCH_KEY, LAST_ADMIN. */
  async revoke(id: string): Promise<ApiKey> {
    return this.#change(id, async (store, key) => {
      if (key.revokedAtMs > 0) return key;
      await this.#keepAnAdmin(store, key);
      const revokedAtMs = this.#clock.nowMs();
      await store.setRevoked(id, revokedAtMs);
      return { ...key, revokedAtMs };
    });
  }

  /** Changes of keys come one after another, behind one lock: they are rare, and the last admin key is at stake. */
  async #change<T>(id: string, work: (store: IdentityStore, key: ApiKey) => Promise<T>): Promise<T> {
    return this.#stores.transaction(async (store) => {
      await store.lockAdmins();
      const key = await store.findApiKey(id);
      if (key === undefined) {
        throw new CairnError("NO_SUCH_KEY", { message: `There is no key with the id ${id}.`, resource: id });
      }
      return work(store, key);
    });
  }

  async #keepAnAdmin(store: IdentityStore, key: ApiKey): Promise<void> {
    const nowMs = this.#clock.nowMs();
    const expired = key.expiresAtMs > 0 && key.expiresAtMs <= nowMs;
    if (expired || !grantsEverything(key.grant)) return;
    const user = await store.findUser({ id: key.userId });
    if (user?.admin && (await store.countAdminKeys(nowMs, { keyId: key.id })) === 0) throw lastAdmin(key.id);
  }

  #checkExpiry(expiresAtMs: number): void {
    const nowMs = this.#clock.nowMs();
    if (expiresAtMs === 0 || expiresAtMs > nowMs) return;
    throw new CairnError("INVALID_ARGUMENT", {
      message: `The expiry ${expiresAtMs} has passed: it is ${nowMs} now (milliseconds since 1970).`,
      hint: "Give a time to come, or 0 for never. To end a key, revoke it.",
    });
  }
}

export function tooManyKeys(userId: string): CairnError {
  return new CairnError("TOO_MANY_KEYS", {
    message: `The user has ${maxKeysPerUser} keys of this kind, those revoked in the last 30 days included.`,
    resource: userId,
    hint: "Update or rotate a key instead of making another, or make another user.",
  });
}

function refuseRevoked(key: ApiKey): void {
  if (key.revokedAtMs === 0) return;
  throw new CairnError("REVOKED_KEY", {
    message: `The key ${key.id} was revoked.`,
    resource: key.id,
    hint: "Make a new key.",
  });
}
