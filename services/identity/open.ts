import type { IdentityService } from "../../gen/cairn/identity/v1/identity_pb";
import { CairnError } from "../common/errors/cairn-error";
import { prepare } from "../common/lifecycle/prepared";
import type { RunningService } from "../common/lifecycle/running-service";
import type { Logger } from "../common/log/logger";
import type { Metrics } from "../common/metrics/metrics";
import type { Database, DatabaseConfig } from "../common/sql/database";
import { databaseHealth } from "../common/sql/database-health";
import { migrate } from "../common/sql/migrate";
import { openDatabase } from "../common/sql/open-database";
import type { Clock } from "../common/time/clock";
import { ApiKeys } from "./api-keys";
import { Authentication } from "./authentication";
import { countAuthentications } from "./authentication-metrics";
import { FailureLimit } from "./failure-limit";
import { type FirstStart, firstStart, newAdminKey } from "./first-start";
import { checkFirstAdminKey } from "./key-text";
import { ensureServiceKeys } from "./key-wrapping";
import { LastUsed } from "./last-used";
import { identityMigrations } from "./migrations";
import { startRateSharing } from "./rate-sharing";
import { Rates } from "./rates";
import { type Identity, identityRpc } from "./rpc";
import { S3KeyPairs } from "./s3-key-pairs";
import type { Random } from "./seal";
import { type Stores, storesOf } from "./store";
import type { IdentityTables } from "./tables";
import { Users } from "./users";

export type IdentityConfig = {
  /**
   * For how long a gateway may use an answer, milliseconds. A revocation takes effect everywhere within 5 s, of which
   * the default of 4,000 leaves one for an answer on its way.
   */
  readonly cacheTtlMs: number;
  /** Failed authentications a minute and source before the source must wait (D§10). */
  readonly failuresPerMinute: number;
  /** How often last-used times are written, milliseconds. */
  readonly lastUsedEveryMs: number;
  /** How often several processes on one PostgreSQL exchange their counts, milliseconds. */
  readonly ratesEveryMs: number;
};

export const defaultIdentityConfig: IdentityConfig = {
  cacheTtlMs: 4_000,
  failuresPerMinute: 100,
  lastUsedEveryMs: 20_000,
  ratesEveryMs: 1_000,
};

export type IdentityOptions = {
  readonly database: DatabaseConfig;
  /** 32 bytes; wraps the keys that credentials rest on. */
  readonly masterKey: Buffer;
  /** The first admin's key, by the operator's choice. Read on the first start ever only, later ignored. */
  readonly firstAdminKey?: string | undefined;
  /** Called once in the life of a database, with a key that was made; not for one that was given (I9). */
  readonly announce: (event: FirstStart) => void;
  readonly config: IdentityConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
};

export type RunningIdentity = RunningService<typeof IdentityService> & {
  /** Makes another key that opens everything and answers its text (`cairn admin new-key`). */
  newAdminKey(): Promise<string>;
};

/**
 * Opens the identity service. A PostgreSQL that is away is waited for in the background. Throws WRONG_MASTER_KEY,
 * INVALID_ARGUMENT for a weak first admin key or a master key of another length, NewerSchemaError.
 */
export async function openIdentity(options: IdentityOptions): Promise<RunningIdentity> {
  const { config, clock, log } = options;
  checkOptions(options);
  const rates = new Rates({ maxSubjects: 100_000, nowMs: () => clock.nowMs() });
  const database = await openDatabase<IdentityTables>(options.database);
  const stores = storesOf(database);
  const lastUsed = new LastUsed({ stores, clock, log, everyMs: config.lastUsedEveryMs });
  const close = async (others: { close(): Promise<void> }[]) => {
    await Promise.all(others.map((part) => part.close()));
    await lastUsed.close();
    await database.close();
  };
  const make = () => makeIdentity(options, database, stores, lastUsed);
  const identity = await prepare({ name: "identity", make, clock, log }).catch(async (error) => {
    await close([]);
    throw error;
  });
  const sharing =
    database.kind === "postgres"
      ? startRateSharing({ database, rates, clock, log, everyMs: config.ratesEveryMs, ready: identity.get })
      : undefined;
  let closed: Promise<void> | undefined;
  return {
    service: countAuthentications(identityRpc(identity.get, rates), options.metrics),
    health: async () => [await databaseHealth(database, clock, identity.get)],
    newAdminKey: async () => newAdminKey(stores, identity.get().apiKeys),
    close: () => {
      closed ??= close(sharing === undefined ? [identity] : [identity, sharing]);
      return closed;
    },
  };
}

function checkOptions(options: IdentityOptions): void {
  if (options.masterKey.length !== 32) {
    throw new CairnError("INVALID_ARGUMENT", {
      message: `The master key has ${options.masterKey.length} bytes; it must have 32.`,
      hint: "Make one: openssl rand 32 > master.key",
    });
  }
  if (!(options.config.cacheTtlMs >= 0 && options.config.cacheTtlMs <= 5_000)) {
    throw new CairnError("INVALID_ARGUMENT", {
      message: `cacheTtlMs is ${options.config.cacheTtlMs}; it must lie between 0 and 5000.`,
    });
  }
  // Before anything is written; and on every start, since a weak value in a configuration is a mistake to be told.
  if (options.firstAdminKey !== undefined) checkFirstAdminKey(options.firstAdminKey);
}

/** Schema, keys, first admin, and the logic over them. */
async function makeIdentity(
  options: IdentityOptions,
  database: Database<IdentityTables>,
  stores: Stores,
  lastUsed: LastUsed,
): Promise<Identity> {
  const { clock, random, config } = options;
  await migrate(database, options.database, identityMigrations(database.kind));
  const keys = await database.transaction((trx) =>
    ensureServiceKeys(trx, options.masterKey, clock.nowMs(), random),
  );
  const apiKeys = new ApiKeys(stores, keys.apiKeyDigest, clock, random);
  const first = await firstStart({ stores, apiKeys, clock, givenKey: options.firstAdminKey });
  if (first !== undefined) options.announce(first);
  return {
    authentication: new Authentication({
      stores,
      digestKey: keys.apiKeyDigest,
      failures: new FailureLimit({
        perMinute: config.failuresPerMinute,
        monotonicMs: () => clock.monotonicMs(),
      }),
      lastUsed,
      clock,
      cacheTtlMs: config.cacheTtlMs,
    }),
    users: new Users(stores, clock),
    apiKeys,
    s3KeyPairs: new S3KeyPairs(stores, keys.s3Secrets, clock, random),
    tokenKey: keys.tokens,
  };
}
