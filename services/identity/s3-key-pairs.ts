import { CairnError } from "../common/errors/cairn-error";
import type { Clock } from "../common/time/clock";
import { keepRevokedMs, maxKeysPerUser, tooManyKeys } from "./api-keys";
import type { S3KeyPair } from "./domain";
import { newAccessKeyId, newSecretAccessKey } from "./key-text";
import { type Random, seal } from "./seal";
import type { Stores } from "./store";
import { noSuchUser } from "./users";

/** S3 key pairs. Signing needs the secret itself, so it is kept, sealed; it leaves here once, at its making (I9). */
export class S3KeyPairs {
  readonly #stores: Stores;
  readonly #secretsKey: Buffer;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(stores: Stores, secretsKey: Buffer, clock: Clock, random: Random) {
    this.#stores = stores;
    this.#secretsKey = secretsKey;
    this.#clock = clock;
    this.#random = random;
  }

  /** Throws NO_SUCH_USER, TOO_MANY_KEYS. */
  async create(userId: string, name: string): Promise<{ pair: S3KeyPair; secret: string }> {
    return this.#stores.transaction(async (store) => {
      const nowMs = this.#clock.nowMs();
      if ((await store.lockUser(userId)) === undefined) throw noSuchUser(userId);
      await store.forgetRevoked(userId, nowMs - keepRevokedMs);
      if ((await store.listS3KeyPairs(userId)).length >= maxKeysPerUser) throw tooManyKeys(userId);
      const secret = newSecretAccessKey(this.#random);
      const accessKeyId = newAccessKeyId(this.#random);
      const pair = { accessKeyId, userId, name, createdAtMs: nowMs, revokedAtMs: 0 };
      const sealed = seal(this.#secretsKey, secretPlace(accessKeyId), Buffer.from(secret), this.#random);
      await store.insertS3KeyPair(pair, sealed);
      return { pair, secret };
    });
  }

  /** Oldest first, revoked ones too. Throws NO_SUCH_USER. */
  async list(userId: string): Promise<S3KeyPair[]> {
    if ((await this.#stores.read.findUser({ id: userId })) === undefined) throw noSuchUser(userId);
    return this.#stores.read.listS3KeyPairs(userId);
  }

  /** Repeatable: the first time stays. Throws NO_SUCH_KEY. */
  async revoke(accessKeyId: string): Promise<S3KeyPair> {
    return this.#stores.transaction(async (store) => {
      await store.revokeS3KeyPair(accessKeyId, this.#clock.nowMs());
      const pair = await store.findS3KeyPair(accessKeyId);
      if (pair !== undefined) return pair;
      throw new CairnError("NO_SUCH_KEY", {
        message: `There is no S3 key pair with the access key id "${accessKeyId}".`,
        resource: accessKeyId,
      });
    });
  }
}

/** Where a sealed secret belongs: another row's does not open. */
export function secretPlace(accessKeyId: string): string {
  return `s3_key_pairs/${accessKeyId}`;
}
