import { readdir } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { type Kysely, sql } from "kysely";
import type { Database } from "./database";
import { migrate, NewerSchemaError } from "./migrate";
import { openDatabase } from "./open-database";
import { createTestDatabase, databaseEngines, type TestDatabase } from "./test-databases";

type Tables = { notes: { id: number; text: string; size: number } };

const first = {
  up: async (db: Kysely<unknown>) => {
    await db.schema
      .createTable("notes")
      .addColumn("id", "integer", (c) => c.primaryKey())
      .addColumn("text", "text")
      .addColumn("size", "bigint")
      .execute();
  },
};

describe.each(databaseEngines)("a service's database on %s", (engine) => {
  let place: TestDatabase;
  let database: Database<Tables>;

  beforeEach(async () => {
    place = await createTestDatabase(engine, "notes_service");
    database = await openDatabase<Tables>(place.config);
    await migrate(database, place.config, { "0001-first": first });
  });
  afterEach(async () => {
    await database.close();
    await place.drop();
  });

  test("a transaction that throws leaves nothing", async () => {
    await expect(
      database.transaction(async (trx) => {
        await trx.insertInto("notes").values({ id: 1, text: "a", size: 1 }).execute();
        throw new Error("no");
      }),
    ).rejects.toThrow("no");
    expect(await database.db.selectFrom("notes").selectAll().execute()).toEqual([]);
  });

  test("a reader never sees what is not committed", async () => {
    await database.transaction(async (trx) => {
      await trx
        .insertInto("notes")
        .values({ id: 1, text: "a", size: 2 ** 45 })
        .execute();
      if (engine === "postgres")
        expect(await database.db.selectFrom("notes").selectAll().execute()).toEqual([]);
    });
    expect(await database.db.selectFrom("notes").selectAll().execute()).toEqual([
      { id: 1, text: "a", size: 2 ** 45 },
    ]);
  });

  test("migrating again changes nothing", async () => {
    await migrate(database, place.config, { "0001-first": first });
    expect(await database.db.selectFrom("notes").selectAll().execute()).toEqual([]);
  });

  test("a schema from a newer version is refused and left alone", async () => {
    await expect(migrate(database, place.config, {})).rejects.toThrow(NewerSchemaError);
    expect(await database.db.selectFrom("notes").selectAll().execute()).toEqual([]);
  });

  test("commits are synced: the setting is explicit", async () => {
    const row = await database.transaction(async (trx) =>
      engine === "sqlite"
        ? sql<{ synchronous: number }>`pragma synchronous`.execute(trx)
        : sql<{ synchronous_commit: string }>`show synchronous_commit`.execute(trx),
    );
    expect(Object.values(row.rows[0] ?? {})).toEqual([engine === "sqlite" ? 2 : "on"]);
  });
});

test("a SQLite that was closed is one file: its log is folded in, though nobody ever read from it", async () => {
  const place = await createTestDatabase("sqlite", "notes_service");
  const database = await openDatabase<Tables>(place.config);
  await migrate(database, place.config, { "0001-first": first });
  await database.close();
  const path = place.config.kind === "sqlite" ? place.config.path : "";
  expect(await readdir(dirname(path))).toEqual([basename(path)]);
  await place.drop();
});

test("two processes that start at once on an empty PostgreSQL migrate it once", async () => {
  const place = await createTestDatabase("postgres", "notes_service");
  const both = await Promise.all([openDatabase<Tables>(place.config), openDatabase<Tables>(place.config)]);
  await Promise.all(both.map((database) => migrate(database, place.config, { "0001-first": first })));
  for (const database of both) {
    expect(await database.db.selectFrom("notes").selectAll().execute()).toEqual([]);
    await database.close();
  }
  await place.drop();
});

test("a PostgreSQL that is away is DATABASE_UNAVAILABLE at once", async () => {
  const database = await openDatabase({ kind: "postgres", url: "postgres://a:b@127.0.0.1:1/x", schema: "s" });
  await expect(database.ping()).rejects.toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
  await expect(database.transaction(async () => 1)).rejects.toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
  await database.close();
});
