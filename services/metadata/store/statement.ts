import type { CompiledQuery, Kysely } from "kysely";
import type { Run } from "../../common/sql/database";
import type { Tables } from "./tables";

/** Where statements run: a transaction or the reader. */
export type Runner = { readonly kind: "sqlite" | "postgres"; readonly db: Kysely<Tables>; readonly run: Run };

class Placeholder {
  constructor(readonly name: string) {}
}

/** Stands in a query for a value that each run brings. */
export type Marks<P> = <K extends keyof P & string>(name: K) => P[K];

/**
 * A query that is built and compiled once an engine, then only bound: Kysely's building and its executor cost several
 * times what SQLite needs to run a small one. SQLite has answered when this returns; PostgreSQL is on its way (`Run`).
 * Use it on roads that every request takes; elsewhere plain Kysely reads better.
 */
export function statement<P extends Record<string, unknown>>() {
  return <R>(
    build: (db: Kysely<Tables>, mark: Marks<P>) => { compile(): CompiledQuery<R> },
  ): ((runner: Runner, values: P) => R[] | Promise<R[]>) => {
    const compiled: { sqlite?: CompiledQuery<R>; postgres?: CompiledQuery<R> } = {};
    return (runner, values) => {
      compiled[runner.kind] ??= build(runner.db, (name) => new Placeholder(name) as never).compile();
      const query = compiled[runner.kind] as CompiledQuery<R>;
      const parameters = query.parameters.map((value) =>
        value instanceof Placeholder ? values[value.name] : value,
      );
      return runner.run<R>(query, parameters);
    };
  };
}
