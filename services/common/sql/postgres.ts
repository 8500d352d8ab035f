import { Kysely, PostgresDialect, sql } from "kysely";
import pg from "pg";
import { CairnError } from "../errors/cairn-error";
import type { Database, DatabaseConfig } from "./database";
import { runTransaction } from "./run-transaction";

/** PostgreSQL's numbers of int8 and numeric: both come as JavaScript numbers, as from SQLite. */
const int8 = 20;
const numeric = 1700;

/**
 * PostgreSQL with a pool; every session commits synchronously (P4) and sees its service's schema alone.
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
    application_name: `cairn-${config.schema}`,
    options: `-c search_path=${config.schema} -c synchronous_commit=on -c default_transaction_isolation=read\\ committed`,
    types: {
      getTypeParser: ((oid: number, format: "text" | "binary") =>
        oid === int8 || oid === numeric
          ? toSafeNumber
          : pg.types.getTypeParser(oid, format as "text")) as never,
    },
  });
  // An idle connection that breaks is replaced at the next query; unheard, the event would end the process.
  pool.on("error", () => {});
  const inner = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: withMappedErrors(pool) }) });
  return {
    kind: "postgres",
    db: inner,
    writer: inner,
    transaction: (work) => runTransaction(inner, work, toError),
    ping: async () => {
      await sql`select 1`.execute(inner);
    },
    close: () => inner.destroy(),
  };
}

/** The pool as Kysely needs it, with every failure to connect or to speak turned into our own error. */
function withMappedErrors(pool: pg.Pool) {
  return {
    async connect() {
      const client = await pool.connect().catch((error: unknown) => {
        throw unavailable(error);
      });
      let broken: Error | undefined;
      const noteBroken = (error: Error) => {
        broken = error;
      };
      client.on("error", noteBroken);
      return {
        query: async (statement: string, parameters: readonly unknown[]) => {
          try {
            return await client.query(statement, parameters as unknown[]);
          } catch (error) {
            const mapped = toError(error);
            if (mapped instanceof CairnError) broken = mapped;
            throw mapped;
          }
        },
        release: () => {
          client.removeListener("error", noteBroken);
          client.release(broken);
        },
      } as never;
    },
    end: () => pool.end(),
  };
}

/** SQLSTATE classes that say that the server is away, starting, stopping or out of means. */
const awayStates = /^(08|53|57P0[1-5]|58)/;
const awayErrnos = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOENT",
  "EHOSTUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
]);

function toError(thrown: unknown): unknown {
  if (thrown instanceof CairnError || !(thrown instanceof Error)) return thrown;
  const code = (thrown as { code?: string }).code ?? "";
  const away =
    awayErrnos.has(code) ||
    awayStates.test(code) ||
    /^Connection terminated|not queryable|Client was closed/.test(thrown.message);
  return away ? unavailable(thrown) : thrown;
}

function unavailable(cause: unknown): CairnError {
  const text = cause instanceof Error ? cause.message || (cause as { code?: string }).code : String(cause);
  return new CairnError("DATABASE_UNAVAILABLE", { message: `PostgreSQL cannot be reached: ${text}`, cause });
}

function toSafeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new RangeError(`${text} is beyond 2^53`);
  return value;
}
