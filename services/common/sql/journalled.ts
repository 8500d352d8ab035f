import type Sqlite from "better-sqlite3";
import { CairnError } from "../errors/cairn-error";
import type { Journal } from "../journal/journal";
import { isSame, origin, type Position } from "../journal/record";
import { encodeTransaction, type Statement } from "../journal/statements";
import type { StatementRecorder } from "./statement-recorder";

/** The journal that a database's transactions travel by (P5), and its name there. */
export type JournalPlace = {
  readonly journal: Journal;
  readonly name: string;
  /** Makes the file what the journal says before it is opened: from a snapshot where that is needed. */
  prepare(path: string): Promise<void>;
  /** Called once the database is open and stands where the journal does. */
  opened(database: JournalledDatabase): void;
};

/** An open database, as whoever makes snapshots knows it. */
export type JournalledDatabase = {
  readonly name: string;
  readonly path: string;
  /** Notes that all up to this record has been applied, when no transaction is open. */
  advance(position: Position): Promise<void>;
  /** Runs `work` when no transaction is open; those that come wait. */
  hold(work: () => Promise<void>): Promise<void>;
};

/** Replays so many records in one transaction. */
const recordsAtOnce = 2_000;

/** Keeps one SQLite connection and the journal in step: what is committed was synced in two folders before. */
export class JournalledConnection {
  readonly #place: JournalPlace;
  readonly #connection: Sqlite.Database;
  readonly #recorder: StatementRecorder;
  readonly #setPosition: Sqlite.Statement;
  readonly #replayed: () => void;
  readonly #prepared = new Map<string, Sqlite.Statement>();
  /** The epoch that this database follows; another one may have taken up what was under way. */
  #epoch = 0;

  /** `replayed` is called at once after something was applied from the journal and is seen. */
  constructor(
    place: JournalPlace,
    connection: Sqlite.Database,
    recorder: StatementRecorder,
    replayed: () => void,
  ) {
    this.#replayed = replayed;
    this.#place = place;
    this.#connection = connection;
    this.#recorder = recorder;
    connection.exec(createPositionTable);
    connection
      .prepare("insert into journal_database select ? where not exists (select 1 from journal_database)")
      .run(place.name);
    this.#setPosition = connection.prepare(
      "update journal_position set epoch = ?, number = ?, checksum = ? where id = 1 and number < ?",
    );
  }

  /** Before BEGIN, when the connection is this caller's alone. Throws DATABASE_UNAVAILABLE when changes are refused. */
  async beforeBegin(): Promise<void> {
    const { journal } = this.#place;
    this.#recorder.clear();
    if (journal.halted !== undefined)
      throw new CairnError("DATABASE_UNAVAILABLE", {
        message: `The journal takes no changes: ${journal.halted.message}.`,
      });
    if (this.#epoch !== journal.epoch) await this.catchUp();
  }

  /** Before COMMIT: the transaction's record is synced in two folders, and its place noted in the transaction. */
  async beforeCommit(): Promise<void> {
    const statements = this.#recorder.take();
    if (statements.length === 0) return;
    const { journal, name } = this.#place;
    if (this.#epoch !== journal.epoch)
      throw new CairnError("DATABASE_UNAVAILABLE", { message: "The journal began another epoch meanwhile." });
    const position = await journal.append("transaction", (texts) =>
      encodeTransaction({ database: name, statements }, texts),
    );
    this.note(position);
  }

  /** What is in the journal is not here: it is read again before the next transaction. */
  commitFailed(): void {
    this.#epoch = 0;
  }

  note({ epoch, number, checksum }: Position): void {
    this.#setPosition.run(epoch, number, checksum, number);
  }

  /** Applies what the journal holds behind this database's place; decides nothing. */
  async catchUp(): Promise<void> {
    const { journal, name } = this.#place;
    const { epoch } = journal;
    const entries = await journal.recordsAfter(positionIn(this.#connection, name) ?? origin);
    if (entries === undefined)
      throw new CairnError("DATABASE_UNAVAILABLE", {
        message: `${this.#connection.name} does not lie on the journal: start again to restore it from a snapshot.`,
      });
    let last: Position | undefined;
    let count = 0;
    const commit = () => {
      if (last === undefined) return;
      this.note(last);
      this.#connection.exec("COMMIT");
      this.#replayed();
      last = undefined;
    };
    try {
      for await (const { position, transaction } of entries) {
        if (last === undefined) this.#connection.exec("BEGIN IMMEDIATE");
        last = position;
        if (transaction?.database === name)
          for (const statement of transaction.statements) this.#apply(statement);
        count += 1;
        if (count % recordsAtOnce === 0) {
          commit();
          // Others have their turn.
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
      commit();
    } catch (error) {
      if (this.#connection.inTransaction) this.#connection.exec("ROLLBACK");
      throw error;
    }
    this.#epoch = epoch;
  }

  #apply({ sql, parameters }: Statement): void {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) {
      statement = this.#connection.prepare(sql);
      // A change of the schema leaves others' plans to SQLite, which makes them anew.
      if (this.#prepared.size >= 512) this.#prepared.clear();
      this.#prepared.set(sql, statement);
    }
    if (statement.reader) statement.all(...parameters);
    else statement.run(...parameters);
  }
}

const createPositionTable = `
  create table if not exists journal_position
    (id integer primary key check (id = 1), epoch integer not null, number integer not null, checksum integer not null);
  insert into journal_position select 1, 0, 0, 0 where not exists (select 1 from journal_position);
  create table if not exists journal_database (name text not null);`;

/**
 * Where a database stands on the journal; undefined when it never stood on one. Throws what SQLite throws, and when
 * the file is that of another database: a right file in the wrong place.
 */
export function positionIn(connection: Sqlite.Database, name: string): Position | undefined {
  const has = (table: string) =>
    connection.prepare("select 1 from sqlite_master where name = ?").get(table) !== undefined;
  if (!has("journal_position")) return undefined;
  const owner = has("journal_database")
    ? (connection.prepare("select name from journal_database").pluck().get() as string | undefined)
    : undefined;
  if (owner !== undefined && owner !== name)
    throw new Error(`${connection.name} is the database of ${owner}, not of ${name}`);
  const row = connection.prepare("select epoch, number, checksum from journal_position").get() as
    | Position
    | undefined;
  return row === undefined || isSame(row, origin) ? undefined : row;
}
