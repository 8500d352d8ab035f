import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { ConfigError } from "../common/config/options";
import type { DatabaseFolder } from "../common/journal/journal-keeper";
import type { ExclusiveLock } from "../common/lifecycle/exclusive-lock";
import { FolderHeldError, lockFolder } from "../common/lifecycle/folder-lock";
import type { LostFolder } from "../storage/disk-failure";
import { makeFolder } from "./make-folder";

/** Where an embedded store keeps what (D§2). Of `roots`, those that could be used are locked until `release`. */
export type DataFolders = {
  /** What was given, absolute. */
  readonly roots: readonly string[];
  /** Those of them that are there, can be written and are this process's own. */
  readonly usable: readonly string[];
  /** The others, and sub-folders of one root. */
  readonly lost: readonly LostFolder[];
  /** Where SQLite of identity, bucket and metadata may lie, in the order of preference. */
  readonly states: readonly DatabaseFolder[];
  /** What makes changes of names and keys durable: the journal (P5), one folder each. */
  readonly journals: readonly string[];
  /** One folder a storage node. */
  readonly nodes: readonly string[];
  /** What survives, in one sentence for the start screen. */
  readonly promise: string;
  /** Makes one more folder and locks it as the others. Throws ConfigError, FolderHeldError. */
  take(root: string): void;
  release(): void;
};

const advice = "Give another one with --data, or make it writable.";

/**
 * One folder gets three sub-folders; three or more are a storage node each. Two are refused: they would hold three
 * copies of nothing. Makes what is missing and locks each. A store that exists goes on without a folder that is lost
 * (I10); for a new one all must be there. Throws ConfigError for folders that cannot be used, FolderHeldError.
 */
export function claimDataFolders(given: readonly string[]): DataFolders {
  const roots = rootsOf(given);
  const [first = ""] = roots;
  const single = roots.length === 1;
  const sub = (name: string) => [1, 2, 3].map((n) => join(first, `${name}-${n}`));
  const journals = single ? sub("journal") : roots.slice(0, 3).map((root) => join(root, "journal"));
  const nodes = single ? sub("node") : roots.map((root) => join(root, "node"));
  const locks: ExclusiveLock[] = [];
  const take = (root: string) => {
    makeFolder(root, advice);
    locks.push(lockOf(root));
  };
  const release = () => {
    for (const lock of locks) lock.release();
  };
  const lost: (LostFolder & { readonly error: unknown })[] = [];
  const withoutLost = (folder: string, use: () => void): boolean => {
    try {
      use();
      return true;
    } catch (error) {
      if (error instanceof FolderHeldError) throw error;
      lost.push({ folder, why: error instanceof Error ? error.message : String(error), error });
      return false;
    }
  };
  try {
    const usable = roots.filter((root) => withoutLost(root, () => take(root)));
    if (single) for (const node of nodes) withoutLost(node, () => makeFolder(node, advice));
    const exists = journals.some((journal) => existsSync(join(journal, "claim.json")));
    if (lost[0] !== undefined && (!exists || usable.length === 0)) throw lost[0].error;
    const states = single
      ? [{ folder: join(first, "state"), beside: journals[0] ?? "" }]
      : roots
          .slice(0, 3)
          .filter((root) => usable.includes(root))
          .map((root) => ({ folder: join(root, "state"), beside: join(root, "journal") }));
    return { roots, usable, lost, states, journals, nodes, promise: promiseOf(roots), take, release };
  } catch (error) {
    release();
    throw error;
  }
}

function rootsOf(given: readonly string[]): readonly string[] {
  const roots = given.map((folder) => resolve(folder));
  if (roots.length === 0) throw new ConfigError("--data: give at least one folder");
  if (new Set(roots).size !== roots.length)
    throw new ConfigError(`--data: ${roots.join(", ")} names a folder twice`);
  if (roots.length === 2)
    throw new ConfigError(
      "--data: two folders cannot hold three copies. Give one (it gets three sub-folders), or three or more, ideally each a disk.",
    );
  return roots;
}

function lockOf(root: string): ExclusiveLock {
  try {
    return lockFolder(root);
  } catch (error) {
    if (error instanceof FolderHeldError) throw error;
    throw new ConfigError(`The folder ${root} cannot be locked: ${(error as Error).message}. ${advice}`);
  }
}

function promiseOf(roots: readonly string[]): string {
  if (roots.length === 1)
    return "Three copies in three sub-folders: survives a damaged or lost sub-folder, not a lost disk.";
  const carriers = roots.length === 3 ? "" : ` Names and keys lie in ${roots.slice(0, 3).join(", ")}.`;
  return `Three copies of every byte, name and key on three of ${roots.length} folders: survives the loss of any one of them.${carriers}`;
}
