import type { Kysely, Selectable } from "kysely";
import type { Database } from "../common/sql/database";
import { type ApiKey, type ApiKeySettings, grantsEverything, type S3KeyPair, type User } from "./domain";
import type { IdentityTables } from "./tables";

/** A Bearer key as authentication finds it: with its digest and its user. */
export type FoundKey = { readonly key: ApiKey; readonly user: User; readonly digest: string };

/** Statements on the identity service's tables. Rows go in and out as domain values; nothing is decided here. */
export class IdentityStore {
  readonly #db: Kysely<IdentityTables>;
  readonly #kind: "sqlite" | "postgres";

  constructor(db: Kysely<IdentityTables>, kind: "sqlite" | "postgres") {
    this.#db = db;
    this.#kind = kind;
  }

  // ---- users ----

  /** False when the id or the name is there already. */
  async insertUser(user: User): Promise<boolean> {
    const result = await this.#db
      .insertInto("users")
      .values({ id: user.id, name: user.name, admin: user.admin ? 1 : 0, created_at_ms: user.createdAtMs })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    return result.numInsertedOrUpdatedRows === 1n;
  }

  async findUser(by: { id: string } | { name: string }): Promise<User | undefined> {
    const query = this.#db.selectFrom("users").selectAll();
    const row = await ("id" in by
      ? query.where("id", "=", by.id)
      : query.where("name", "=", by.name)
    ).executeTakeFirst();
    return row === undefined ? undefined : toUser(row);
  }

  /** Keeps others from deleting the user or adding keys to it until the transaction ends. */
  async lockUser(id: string): Promise<User | undefined> {
    const query = this.#db.selectFrom("users").selectAll().where("id", "=", id);
    const row = await (this.#kind === "postgres" ? query.forUpdate() : query).executeTakeFirst();
    return row === undefined ? undefined : toUser(row);
  }

  /** All admins. Whoever may take an admin away locks them first and before anything else, so that two cannot both. */
  async lockAdmins(): Promise<User[]> {
    const query = this.#db.selectFrom("users").selectAll().where("admin", "=", 1).orderBy("id");
    return (await (this.#kind === "postgres" ? query.forUpdate() : query).execute()).map(toUser);
  }

  async listUsers(afterName: string, limit: number): Promise<User[]> {
    const query = this.#db.selectFrom("users").selectAll().where("name", ">", afterName);
    return (await query.orderBy("name").limit(limit).execute()).map(toUser);
  }

  /** With all its keys. */
  async deleteUser(id: string): Promise<void> {
    await this.#db.deleteFrom("api_keys").where("user_id", "=", id).execute();
    await this.#db.deleteFrom("s3_key_pairs").where("user_id", "=", id).execute();
    await this.#db.deleteFrom("users").where("id", "=", id).execute();
  }

  // ---- Bearer keys ----

  async insertApiKey(key: ApiKey, digest: string): Promise<void> {
    await this.#db
      .insertInto("api_keys")
      .values({
        id: key.id,
        user_id: key.userId,
        digest,
        created_at_ms: key.createdAtMs,
        last_used_at_ms: key.lastUsedAtMs,
        revoked_at_ms: key.revokedAtMs,
        ...fromSettings(key),
      })
      .execute();
  }

  async findApiKey(id: string): Promise<ApiKey | undefined> {
    const row = await this.#db.selectFrom("api_keys").selectAll().where("id", "=", id).executeTakeFirst();
    return row === undefined ? undefined : toApiKey(row);
  }

  async findApiKeyByDigest(digest: string): Promise<FoundKey | undefined> {
    const row = await this.#db
      .selectFrom("api_keys")
      .innerJoin("users", "users.id", "api_keys.user_id")
      .selectAll("api_keys")
      .select([
        "users.name as user_name",
        "users.admin as user_admin",
        "users.created_at_ms as user_created_at_ms",
      ])
      .where("digest", "=", digest)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const user = {
      id: row.user_id,
      name: row.user_name,
      admin: row.user_admin === 1,
      createdAtMs: row.user_created_at_ms,
    };
    return { key: toApiKey(row), user, digest: row.digest };
  }

  /** Oldest first. */
  async listApiKeys(userId: string): Promise<ApiKey[]> {
    const query = this.#db.selectFrom("api_keys").selectAll().where("user_id", "=", userId);
    return (await query.orderBy("created_at_ms").orderBy("id").execute()).map(toApiKey);
  }

  async setSettings(id: string, settings: ApiKeySettings): Promise<void> {
    await this.#db.updateTable("api_keys").set(fromSettings(settings)).where("id", "=", id).execute();
  }

  async setDigest(id: string, digest: string): Promise<void> {
    await this.#db.updateTable("api_keys").set({ digest }).where("id", "=", id).execute();
  }

  async setRevoked(id: string, revokedAtMs: number): Promise<void> {
    await this.#db.updateTable("api_keys").set({ revoked_at_ms: revokedAtMs }).where("id", "=", id).execute();
  }

  /** Keys that open everything now: of an admin, granting everything, neither revoked nor expired. */
  async countAdminKeys(nowMs: number, except: { userId: string } | { keyId: string }): Promise<number> {
    const query = this.#db
      .selectFrom("api_keys")
      .innerJoin("users", "users.id", "api_keys.user_id")
      .select(({ fn }) => fn.countAll<number>().as("count"))
      .where("users.admin", "=", 1)
      .where("grants_everything", "=", 1)
      .where("revoked_at_ms", "=", 0)
      .where((w) => w.or([w("expires_at_ms", "=", 0), w("expires_at_ms", ">", nowMs)]));
    const row = await ("userId" in except
      ? query.where("user_id", "!=", except.userId)
      : query.where("api_keys.id", "!=", except.keyId)
    ).executeTakeFirstOrThrow();
    return row.count;
  }

  /** Moves last-used times forward. Keys that somebody holds locked are left out and told: nobody waits here. */
  async touchApiKeys(usedAtMs: ReadonlyMap<string, number>): Promise<string[]> {
    const ids = [...usedAtMs.keys()];
    const query = this.#db.selectFrom("api_keys").select("id").where("id", "in", ids);
    const free = await (this.#kind === "postgres" ? query.forUpdate().skipLocked() : query).execute();
    for (const { id } of free) {
      const atMs = usedAtMs.get(id) ?? 0;
      await this.#db
        .updateTable("api_keys")
        .set({ last_used_at_ms: atMs })
        .where("id", "=", id)
        .where("last_used_at_ms", "<", atMs)
        .execute();
    }
    const done = new Set(free.map((row) => row.id));
    return ids.filter((id) => !done.has(id));
  }

  // ---- S3 key pairs ----

  async insertS3KeyPair(pair: S3KeyPair, sealedSecret: string): Promise<void> {
    await this.#db
      .insertInto("s3_key_pairs")
      .values({
        access_key_id: pair.accessKeyId,
        user_id: pair.userId,
        name: pair.name,
        sealed_secret: sealedSecret,
        created_at_ms: pair.createdAtMs,
        revoked_at_ms: pair.revokedAtMs,
      })
      .execute();
  }

  async findS3KeyPair(accessKeyId: string): Promise<S3KeyPair | undefined> {
    const query = this.#db.selectFrom("s3_key_pairs").selectAll().where("access_key_id", "=", accessKeyId);
    const row = await query.executeTakeFirst();
    return row === undefined ? undefined : toS3KeyPair(row);
  }

  /** Oldest first. */
  async listS3KeyPairs(userId: string): Promise<S3KeyPair[]> {
    const query = this.#db.selectFrom("s3_key_pairs").selectAll().where("user_id", "=", userId);
    return (await query.orderBy("created_at_ms").orderBy("access_key_id").execute()).map(toS3KeyPair);
  }

  /** Once: the first time stays. The secret is of no more use and goes. */
  async revokeS3KeyPair(accessKeyId: string, atMs: number): Promise<void> {
    await this.#db
      .updateTable("s3_key_pairs")
      .set({ revoked_at_ms: atMs, sealed_secret: "" })
      .where("access_key_id", "=", accessKeyId)
      .where("revoked_at_ms", "=", 0)
      .execute();
  }

  /** Removes what was revoked before, of one user: revoked keys are listed for a while, not for ever. */
  async forgetRevoked(userId: string, beforeMs: number): Promise<void> {
    for (const table of ["api_keys", "s3_key_pairs"] as const) {
      await this.#db
        .deleteFrom(table)
        .where("user_id", "=", userId)
        .where("revoked_at_ms", ">", 0)
        .where("revoked_at_ms", "<", beforeMs)
        .execute();
    }
  }

  // ---- first start ----

  /** True for one process of one start ever. */
  async claimFirstStart(atMs: number): Promise<boolean> {
    const result = await this.#db
      .insertInto("first_start")
      .values({ id: 1, at_ms: atMs })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    return result.numInsertedOrUpdatedRows === 1n;
  }
}

/** The store outside and inside transactions. */
export type Stores = {
  readonly read: IdentityStore;
  transaction<T>(work: (store: IdentityStore) => Promise<T>): Promise<T>;
};

export function storesOf(database: Database<IdentityTables>): Stores {
  return {
    read: new IdentityStore(database.db, database.kind),
    transaction: (work) => database.transaction((trx) => work(new IdentityStore(trx, database.kind))),
  };
}

function fromSettings(settings: ApiKeySettings) {
  return {
    name: settings.name,
    permissions: JSON.stringify(settings.grant.permissions),
    buckets: JSON.stringify(settings.grant.buckets),
    grants_everything: grantsEverything(settings.grant) ? 1 : 0,
    expires_at_ms: settings.expiresAtMs,
    requests_per_minute: settings.requestsPerMinute,
  };
}

function toUser(row: Selectable<IdentityTables["users"]>): User {
  return { id: row.id, name: row.name, admin: row.admin === 1, createdAtMs: row.created_at_ms };
}

function toApiKey(row: Selectable<IdentityTables["api_keys"]>): ApiKey {
  return {
    id: row.id,
    userId: row.user_id,
    name: row.name,
    grant: { permissions: JSON.parse(row.permissions), buckets: JSON.parse(row.buckets) },
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms,
    lastUsedAtMs: row.last_used_at_ms,
    revokedAtMs: row.revoked_at_ms,
    requestsPerMinute: row.requests_per_minute,
  };
}

function toS3KeyPair(row: Selectable<IdentityTables["s3_key_pairs"]>): S3KeyPair {
  return {
    accessKeyId: row.access_key_id,
    userId: row.user_id,
    name: row.name,
    createdAtMs: row.created_at_ms,
    revokedAtMs: row.revoked_at_ms,
  };
}
