import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { JournalOptions } from "../common/journal/journal";
import { JournalKeeper, type KeeperOptions } from "../common/journal/journal-keeper";
import type { JournalBug } from "../common/journal/start-options";
import type { DatabaseConfig } from "../common/sql/database";
import { type Clock, systemClock } from "../common/time/clock";
import { nodeDisk } from "../storage/node-disk";
import type { DataFolders } from "./data-folders";
import { makeFolder } from "./make-folder";

/** Begins the journal that names and keys of an embedded store travel by (P5). Throws JournalUnusable. */
export async function openKeeper(
  folders: Pick<DataFolders, "journals" | "states">,
  options: Omit<KeeperOptions, "journal" | "states" | "clock"> & {
    readonly clock?: Clock;
    readonly bug?: JournalBug;
  },
): Promise<JournalKeeper> {
  const { clock = systemClock, bug, ...others } = options;
  const keeper = await JournalKeeper.open({
    ...others,
    clock,
    states: folders.states,
    journal: { ...journalOptions(folders.journals, clock), bug },
  });
  try {
    makeFolder(keeper.stateFolder, "Make it writable, or start with another folder in its place.");
    return keeper;
  } catch (error) {
    await keeper.close();
    throw error;
  }
}

/** The journal in these folders, on real files. */
export function journalOptions(folders: readonly string[], clock: Clock = systemClock): JournalOptions {
  return {
    disk: nodeDisk,
    folders,
    randomHex: (bytes) => randomBytes(bytes).toString("hex"),
    nowMs: () => clock.nowMs(),
  };
}

/** Where a service of an embedded store keeps its tables. */
export function embeddedDatabase(
  keeper: JournalKeeper,
  schema: "identity" | "bucket" | "metadata",
): DatabaseConfig {
  return {
    kind: "sqlite",
    path: join(keeper.stateFolder, `${schema}.db`),
    journal: keeper.place(schema),
  };
}
