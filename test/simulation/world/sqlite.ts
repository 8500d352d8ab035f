// Takes better-sqlite3's place in the simulator's bundle: the same, but every open database is known, so that the
// kernel's part at a kill, closing files, can be played.
import type Sqlite from "better-sqlite3";

// The name that the bundle gives to the real one.
const Real: typeof Sqlite = require("better-sqlite3-real");

const open = new Set<Sqlite.Database>();

class Known extends Real {
  constructor(...args: ConstructorParameters<typeof Sqlite>) {
    super(...args);
    open.add(this);
  }

  override close(): this {
    open.delete(this);
    return super.close();
  }
}

/** Ends what is open on files of this folder, as a kill does: open transactions are rolled back. */
export function closeDatabasesUnder(folder: string): void {
  for (const database of [...open]) if (database.name.startsWith(folder)) database.close();
}

export function closeAllDatabases(): void {
  for (const database of [...open]) database.close();
}

export default Known;
