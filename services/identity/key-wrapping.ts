import type { Kysely } from "kysely";
import { CairnError } from "../common/errors/cairn-error";
import type { DatabaseConfig } from "../common/sql/database";
import { migrate } from "../common/sql/migrate";
import { openDatabase } from "../common/sql/open-database";
import { identityMigrations } from "./migrations";
import { type Random, seal, unseal } from "./seal";
import type { IdentityTables } from "./tables";

/**
 * The random keys that credentials rest on. The master key only wraps them, so rotating it kills no credential
 * (D§10).
 */
export type ServiceKeys = {
  /** HMAC-SHA-256 of Bearer keys. */
  readonly apiKeyDigest: Buffer;
  /** AES-256-GCM of S3 secrets. */
  readonly s3Secrets: Buffer;
  /** What gateways sign continuation tokens with. */
  readonly tokens: Buffer;
};

const purposes = { apiKeyDigest: "api-key-digest", s3Secrets: "s3-secrets", tokens: "tokens" } as const;
const keyBytes = 32;

/**
 * Opens the wrapped keys, making those that are missing; of two processes that start at once on one database, both
 * get the same. Call it in a transaction. Throws WRONG_MASTER_KEY, having made nothing.
 */
export async function ensureServiceKeys(
  trx: Kysely<IdentityTables>,
  masterKey: Buffer,
  nowMs: number,
  random: Random,
): Promise<ServiceKeys> {
  // What is there is opened first: a wrong master key must not add a key of its own beside the others.
  await openAll(trx, masterKey);
  for (const purpose of Object.values(purposes)) {
    await trx
      .insertInto("wrapped_keys")
      .values({
        purpose,
        sealed: seal(masterKey, place(purpose), random(keyBytes), random),
        created_at_ms: nowMs,
      })
      .onConflict((conflict) => conflict.column("purpose").doNothing())
      .execute();
  }
  const opened = await openAll(trx, masterKey);
  const get = (purpose: string): Buffer => {
    const key = opened.get(purpose);
    if (key === undefined) throw new Error(`the wrapped key ${purpose} is missing`);
    return key;
  };
  return {
    apiKeyDigest: get(purposes.apiKeyDigest),
    s3Secrets: get(purposes.s3Secrets),
    tokens: get(purposes.tokens),
  };
}

async function openAll(trx: Kysely<IdentityTables>, masterKey: Buffer): Promise<Map<string, Buffer>> {
  const rows = await trx.selectFrom("wrapped_keys").selectAll().execute();
  return new Map(
    rows.map((row) => {
      const key = unseal(masterKey, place(row.purpose), row.sealed);
      if (key === undefined) throw wrongMasterKey();
      return [row.purpose, key];
    }),
  );
}

/**
 * Rotates the master key: wraps every key anew, in one transaction. Run it while no identity process runs, then
 * start them with the new master key. May be repeated: what the new key opens already is left alone. Answers how many
 * were wrapped. Throws WRONG_MASTER_KEY when neither key opens one, and then changes nothing.
 */
export async function rewrapKeys(options: {
  readonly database: DatabaseConfig;
  readonly oldMasterKey: Buffer;
  readonly newMasterKey: Buffer;
  readonly random: Random;
}): Promise<number> {
  const database = await openDatabase<IdentityTables>(options.database);
  try {
    await migrate(database, options.database, identityMigrations(database.kind));
    return await database.transaction(async (trx) => {
      let wrapped = 0;
      for (const row of await trx.selectFrom("wrapped_keys").selectAll().execute()) {
        if (unseal(options.newMasterKey, place(row.purpose), row.sealed) !== undefined) continue;
        const key = unseal(options.oldMasterKey, place(row.purpose), row.sealed);
        if (key === undefined) throw wrongMasterKey();
        await trx
          .updateTable("wrapped_keys")
          .set({ sealed: seal(options.newMasterKey, place(row.purpose), key, options.random) })
          .where("purpose", "=", row.purpose)
          .execute();
        wrapped++;
      }
      return wrapped;
    });
  } finally {
    await database.close();
  }
}

function place(purpose: string): string {
  return `wrapped_keys/${purpose}`;
}

function wrongMasterKey(): CairnError {
  return new CairnError("WRONG_MASTER_KEY", {
    message: "The master key is not the one that this identity database was made with.",
    hint: "Give the master key file that belongs to this database, or restore the database that belongs to this key.",
  });
}
