import { Kysely, PostgresDialect, sql } from "kysely";
import pg from "pg";
import type { Database, DatabaseConfig } from "./database";
import { PostgresConnection } from "./postgres-connection";
import { postgresAway, postgresError } from "./postgres-errors";
import { runTransaction } from "./run-transaction";

/** PostgreSQL's numbers of int8 and numeric: both come as JavaScript numbers, as from SQLite. */
const int8 = 20;
const numeric = 1700;

/**
 * PostgreSQL with a pool; every session commits synchronously (P4) and sees its service's schema alone.
 * Statements are planned for their values each time: a plan that was made while the tables were small is kept by the
 * session, and stays what it is when they are large.
 * A server that is away answers within 2 s as DATABASE_UNAVAILABLE, and is found again by itself.
 */
export function openPostgres<Tables>(
  config: Extract<DatabaseConfig, { kind: "postgres" }>,
): Database<Tables> {
  const pool = new pg.Pool({
    connectionString: config.url,
    max: config.maxConnections ?? 10,
    connectionTimeoutMillis: 2_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    pipeline: true,
    application_name: `cairn-${config.schema}`,
    options:
      `-c search_path=${config.schema} -c synchronous_commit=on -c default_transaction_isolation=read\\ committed ` +
      "-c plan_cache_mode=force_custom_plan",
    types: {
      getTypeParser: ((oid: number, format: "text" | "binary") =>
        oid === int8 || oid === numeric
          ? toSafeNumber
          : pg.types.getTypeParser(oid, format as "text")) as never,
    },
  } as pg.PoolConfig);
  // An idle connection that breaks is replaced at the next query; unheard, the event would end the process.
  pool.on("error", () => {});
  const sessions = new WeakMap<pg.PoolClient, PostgresConnection<Tables>>();
  const connect = async (): Promise<PostgresConnection<Tables>> => {
    const client = await pool.connect().catch((error: unknown) => {
      throw postgresAway(error);
    });
    const known = sessions.get(client);
    if (known !== undefined) return known;
    const session = new PostgresConnection<Tables>(client);
    sessions.set(client, session);
    return session;
  };
  const inner = new Kysely<Tables>({
    dialect: new PostgresDialect({ pool: { connect: connect as never, end: () => pool.end() } }),
  });
  return {
    kind: "postgres",
    db: inner,
    run: async (query, parameters) => {
      const session = await connect();
      try {
        return await session.run(query, parameters);
      } finally {
        session.release();
      }
    },
    writer: inner,
    transaction: async (work) => {
      const session = await connect();
      try {
        return await runTransaction(
          {
            begin: () => session.begin(),
            commit: () => session.query("commit"),
            rollback: () => session.query("rollback"),
            toError: postgresError,
          },
          () => work(session.db, session.run),
        );
      } finally {
        session.release();
      }
    },
    settled: () => undefined,
    ping: async () => {
      await sql`select 1`.execute(inner);
    },
    close: () => inner.destroy(),
  };
}

function toSafeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new RangeError(`${text} is beyond 2^53`);
  return value;
}
