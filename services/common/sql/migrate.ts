import { type Kysely, type Migration, Migrator, sql } from "kysely";
import type { Database, DatabaseConfig } from "./database";

const migrationsTable = "migrations";
const lockTable = "migrations_lock";

/** A schema that this version of Cairn does not know. Nothing was changed. */
export class NewerSchemaError extends Error {}

/**
 * Brings a service's schema forward, each step in a transaction, under a lock that other processes wait for.
 * Names sort in the order in which they run: "0001-first". Throws NewerSchemaError when the database was written by
 * a newer version; CairnError DATABASE_UNAVAILABLE when it cannot be reached.
 */
export async function migrate<Tables>(
  database: Database<Tables>,
  config: DatabaseConfig,
  migrations: Readonly<Record<string, Migration>>,
): Promise<void> {
  const schema = config.kind === "postgres" ? config.schema : undefined;
  if (schema !== undefined) {
    await database.transaction(async (trx) => {
      // CREATE SCHEMA IF NOT EXISTS is not atomic among sessions.
      await sql`select pg_advisory_xact_lock(hashtext(${`cairn-schema-${schema}`}))`.execute(trx);
      await sql`create schema if not exists ${sql.id(schema)}`.execute(trx);
    });
  }
  if (database.kind === "sqlite") await database.transaction((trx) => makeMigrationTables(trx));
  // Kysely's migrator holds an advisory lock on PostgreSQL; a SQLite file has one process by its folder's lock.
  const migrator = new Migrator({
    db: database.writer,
    provider: { getMigrations: async () => ({ ...migrations }) },
    migrationTableName: migrationsTable,
    migrationLockTableName: lockTable,
    ...(schema === undefined ? {} : { migrationTableSchema: schema }),
  });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) rethrow(error, Object.keys(migrations).sort().at(-1) ?? "none");
}

/**
 * What the migrator makes for itself, made before it in one transaction: it would do that outside of any, where no
 * journal sees it.
 */
async function makeMigrationTables<Tables>(trx: Kysely<Tables>): Promise<void> {
  await sql`create table if not exists ${sql.table(migrationsTable)}
    (name varchar(255) not null primary key, timestamp varchar(255) not null)`.execute(trx);
  await sql`create table if not exists ${sql.table(lockTable)}
    (id varchar(255) not null primary key, is_locked integer default 0 not null)`.execute(trx);
  await sql`insert into ${sql.table(lockTable)} (id, is_locked) values ('migration_lock', 0)
    on conflict do nothing`.execute(trx);
}

function rethrow(error: unknown, newest: string): never {
  const text = error instanceof Error ? error.message : String(error);
  const unknown = /previously executed migration (\S+) is missing/.exec(text)?.[1];
  if (unknown === undefined) throw error;
  throw new NewerSchemaError(
    `The database holds the schema step "${unknown}", which this version does not know (newest known: "${newest}"). ` +
      "It was written by a newer version of Cairn: start that one, or restore a backup made before the upgrade.",
  );
}
