import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { JournalKeeper, type KeeperOptions } from "../common/journal/journal-keeper";
import type { JournalBug } from "../common/journal/start-log";
import type { DatabaseConfig } from "../common/sql/database";
import { nodeDisk } from "../storage/node-disk";
import type { DataFolders } from "./data-folders";

type Folders = Pick<DataFolders, "journals" | "state">;

/** Begins the journal that names and keys of an embedded store travel by (P5). Throws JournalUnusable. */
export function openKeeper(
  folders: Folders,
  options: Omit<KeeperOptions, "journal"> & { readonly bug?: JournalBug },
): Promise<JournalKeeper> {
  return JournalKeeper.open({
    ...options,
    journal: {
      disk: nodeDisk,
      folders: folders.journals,
      randomHex: (bytes) => randomBytes(bytes).toString("hex"),
      nowMs: Date.now,
      bug: options.bug,
    },
  });
}

/** Where a service of an embedded store keeps its tables. */
export function embeddedDatabase(
  folders: Folders,
  keeper: JournalKeeper,
  schema: "identity" | "bucket" | "metadata",
): DatabaseConfig {
  return { kind: "sqlite", path: join(folders.state, `${schema}.db`), journal: keeper.place(schema) };
}
