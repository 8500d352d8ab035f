import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { ConfigError } from "../common/config/options";
import type { JournalKeeper } from "../common/journal/journal-keeper";
import type { Clock } from "../common/time/clock";
import type { EmbeddedStore } from "../compose";
import type { DataFolders } from "./data-folders";
import { replaceFile } from "./key-files";
import { masterKeyOf } from "./master-key";
import { describeCopies } from "./progress-line";

/** Marks a folder that is taking another one's place, so that the same call goes on in it after a restart. */
const markName = "replacing.json";

export type RunningStore = {
  readonly store: Pick<EmbeddedStore, "replaceNode">;
  readonly keeper: Pick<JournalKeeper, "journal" | "stateFolder">;
  readonly folders: Pick<DataFolders, "roots" | "usable" | "take">;
  readonly masterKeyFile: string | undefined;
  readonly clock: Clock;
  /** The new folder is a data folder of the running store now. */
  readonly onTaken: (folder: string) => Promise<void>;
};

type UnderWay = {
  readonly from: string;
  readonly to: string;
  readonly listeners: Set<(text: string) => void>;
  readonly done: Promise<string>;
};

const tellEveryMs = 1_000;

/**
 * `cairn admin replace-folder OLD NEW` of a store that runs: NEW takes the place of one of its data folders, which may
 * have failed. First the journal goes on in NEW, then every copy is made there and verified, and only then OLD stops
 * being a data folder. One at a time; asked again with the same folders, it goes on where it was cut off.
 */
export class FolderReplacement {
  readonly #running: RunningStore;
  #roots: readonly string[];
  #usable: readonly string[];
  #underWay: UnderWay | undefined;

  constructor(running: RunningStore) {
    this.#running = running;
    this.#roots = running.folders.roots;
    this.#usable = running.folders.usable;
  }

  /** Answers what was done and how to start from now on, in sentences. Throws ConfigError. */
  async replace(fromFolder: string, toFolder: string, progress: (text: string) => void): Promise<string> {
    const [from, to] = [resolve(fromFolder), resolve(toFolder)];
    let underWay = this.#underWay;
    if (underWay === undefined) {
      this.#check(from, to);
      const listeners = new Set<(text: string) => void>();
      const tell = (text: string) => {
        for (const listener of listeners) listener(text);
      };
      const done = this.#carryOut(from, to, tell).finally(() => {
        this.#underWay = undefined;
      });
      underWay = { from, to, listeners, done };
      this.#underWay = underWay;
    }
    if (underWay.from !== from || underWay.to !== to)
      throw new ConfigError(`${underWay.to} is taking the place of ${underWay.from}. Wait for that.`);
    // Who asks for what is under way follows it.
    underWay.listeners.add(progress);
    return underWay.done;
  }

  #check(from: string, to: string): void {
    if (this.#roots.length === 1)
      throw new ConfigError(
        "A store with one --data keeps its three nodes in it. Stop it, move that folder as a whole, and start it there.",
      );
    if (!this.#roots.includes(from))
      throw new ConfigError(
        `${from} is no data folder of the store that runs here: ${this.#roots.join(", ")}.`,
      );
    const nested = this.#roots.find(
      (root) => to === root || to.startsWith(`${root}/`) || root.startsWith(`${to}/`),
    );
    if (nested !== undefined)
      throw new ConfigError(
        `${to} and ${nested} lie within each other. Give a folder elsewhere, on another disk.`,
      );
    if (!existsSync(to) || replacedBy(to) === from) return;
    const names = readdirSync(to).filter((name) => name !== "lost+found" && !name.startsWith("lock.db"));
    if (names.length > 0)
      throw new ConfigError(`${to} is not empty (${names.slice(0, 3).join(", ")}). Give an empty folder.`);
  }

  async #carryOut(from: string, to: string, progress: (text: string) => void): Promise<string> {
    const { store, keeper, folders, clock } = this.#running;
    if (!this.#usable.includes(to)) {
      folders.take(to);
      this.#usable = [...this.#usable, to];
    }
    replaceFile(join(to, markName), JSON.stringify({ from }));
    masterKeyOf(this.#running.masterKeyFile, [...this.#roots.filter((root) => root !== from), to]);
    const [fromJournal, toJournal] = [join(from, "journal"), join(to, "journal")];
    const statusOf = (wanted: string) => keeper.journal.status().find(({ folder }) => folder === wanted);
    if (statusOf(fromJournal) !== undefined) {
      const replaced = keeper.journal.replaceFolder(fromJournal, toJournal).then(() => true);
      while (!(await Promise.race([replaced, clock.sleep(tellEveryMs)])))
        progress(`names and keys: ${statusOf(toJournal)?.reason || "level, and to be named in the log"}`);
    }
    const startedMs = clock.monotonicMs();
    await store.replaceNode(join(from, "node"), join(to, "node"), (moved, total) =>
      progress(describeCopies(moved, total, clock.monotonicMs() - startedMs)),
    );
    this.#roots = this.#roots.map((root) => (root === from ? to : root));
    this.#usable = this.#usable.filter((root) => root !== from);
    for (const name of ["node/volume.json", "journal", "master.key"]) setAside(join(from, name));
    rmSync(join(to, markName));
    await this.#running.onTaken(to);
    const flags = this.#roots.map((root) => `--data ${root}`).join(" ");
    const rest = keeper.stateFolder.startsWith(`${from}/`)
      ? `the tables of names and keys stay in ${from} until then: keep it so long`
      : `${from} can be removed`;
    return `${to} has taken the place of ${from}: for each copy there is another, synced and verified. From the next start on give ${flags}; ${rest}.`;
  }
}

function replacedBy(folder: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(join(folder, markName), "utf8")) as { from?: string }).from;
  } catch {
    return undefined;
  }
}

/** So that a start that is given the former folder is refused. Where its disk is lost there is nothing to be given. */
function setAside(path: string): void {
  try {
    renameSync(path, `${path}.replaced`);
  } catch {
    // Nothing is there, or nothing can be changed there.
  }
}
