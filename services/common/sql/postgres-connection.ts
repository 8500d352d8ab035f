import { Kysely, PostgresDialect } from "kysely";
import type pg from "pg";
import { CairnError } from "../errors/cairn-error";
import type { Run } from "./database";
import { postgresError } from "./postgres-errors";

/** The transaction was spoilt by an earlier statement. */
const inFailedTransaction = "25P02";
/** A prepared statement met a schema that another process has changed since. */
const planOutdated = "0A000";

/** Names of prepared statements by their text: the same in every session. Statements are few and fixed. */
const names = new Map<string, string>();

/** One session of the pool, whose statements travel without waiting for each other's answers (pg's pipeline mode). */
export class PostgresConnection<Tables> {
  /** Kysely's queries over this session alone. */
  readonly db: Kysely<Tables>;
  readonly run: Run;
  #broken: Error | undefined;
  /** What spoilt the transaction that is open: the statements sent behind it only know that something did. */
  #spoiltBy: unknown;

  constructor(readonly client: pg.PoolClient) {
    client.on("error", (error: Error) => {
      this.#broken = error;
    });
    const itself = { query: this.query.bind(this), release: () => {} } as never;
    this.db = new Kysely<Tables>({
      dialect: new PostgresDialect({ pool: { connect: async () => itself, end: async () => {} } }),
    });
    this.run = (query, parameters) => this.runNamed(query.sql, parameters);
  }

  async runNamed<R>(text: string, parameters: readonly unknown[]): Promise<R[]> {
    let name = names.get(text);
    if (name === undefined) {
      name = `cairn_${names.size}`;
      names.set(text, name);
    }
    return (await this.#answer(this.client.query({ name, text, values: parameters as unknown[] }))).rows;
  }

  async query(text: string, parameters: readonly unknown[] = []): Promise<pg.QueryResult> {
    return this.#answer(this.client.query(text, parameters as unknown[]));
  }

  async begin(): Promise<this> {
    this.#spoiltBy = undefined;
    await this.query("begin");
    return this;
  }

  /** Back to the pool, or out of it when it broke. Nothing may be under way. */
  release(): void {
    this.#spoiltBy = undefined;
    this.client.release(this.#broken);
  }

  async #answer(sent: Promise<pg.QueryResult>): Promise<pg.QueryResult> {
    try {
      return await sent;
    } catch (error) {
      const code = (error as { code?: string }).code;
      if (code === inFailedTransaction && this.#spoiltBy !== undefined) throw this.#spoiltBy;
      const mapped = postgresError(error);
      this.#spoiltBy ??= mapped;
      if (mapped instanceof CairnError || code === planOutdated) this.#broken = mapped as Error;
      throw mapped;
    }
  }
}
