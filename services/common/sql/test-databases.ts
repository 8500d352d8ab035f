import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import type { DatabaseConfig } from "./database";

/** A database of a test's own. */
export type TestDatabase = { readonly config: DatabaseConfig; drop(): Promise<void> };

/** Both engines, for `describe.each(databaseEngines)`. */
export const databaseEngines = ["sqlite", "postgres"] as const;
export type DatabaseEngine = (typeof databaseEngines)[number];

/**
 * Makes an empty database on the engine: a file in a directory of its own, or a database on the PostgreSQL that the
 * test run started (test/support/global-setup.ts). `schema` is the service's.
 */
export async function createTestDatabase(engine: DatabaseEngine, schema: string): Promise<TestDatabase> {
  if (engine === "sqlite") {
    const folder = await mkdtemp(join(tmpdir(), "cairn-sqlite-"));
    return {
      config: { kind: "sqlite", path: join(folder, `${schema}.db`) },
      drop: () => rm(folder, { recursive: true, force: true }),
    };
  }
  const server = process.env.CAIRN_TEST_POSTGRES;
  if (server === undefined)
    throw new Error("the test run started no PostgreSQL (test/support/global-setup.ts)");
  const name = `t_${randomBytes(6).toString("hex")}`;
  await administer(server, `create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return {
    config: { kind: "postgres", url: url.href, schema },
    drop: () => administer(server, `drop database if exists ${name} with (force)`),
  };
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
