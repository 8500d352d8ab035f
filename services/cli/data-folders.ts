import { join, resolve } from "node:path";
import { ConfigError } from "../common/config/options";
import { makeFolder } from "./make-folder";

/** Where an embedded store keeps what (D§2). */
export type DataFolders = {
  /** What was given, absolute; each is locked. */
  readonly roots: readonly string[];
  /** SQLite of identity, bucket and metadata. */
  readonly state: string;
  /** What makes changes of names and keys durable: the journal (P5), one folder each. */
  readonly journals: readonly string[];
  /** One folder a storage node. */
  readonly nodes: readonly string[];
  /** What survives, in one sentence for the start screen. */
  readonly promise: string;
};

/**
 * One folder gets three sub-folders; three or more are a storage node each. Two are refused: they would hold three
 * copies of nothing. Makes what is missing. Throws ConfigError for folders that cannot be used.
 */
export function prepareDataFolders(given: readonly string[]): DataFolders {
  const roots = given.map((folder) => resolve(folder));
  const [first] = roots;
  if (first === undefined) throw new ConfigError("--data: give at least one folder");
  if (new Set(roots).size !== roots.length)
    throw new ConfigError(`--data: ${roots.join(", ")} names a folder twice`);
  if (roots.length === 2) {
    throw new ConfigError(
      "--data: two folders cannot hold three copies. Give one (it gets three sub-folders), or three or more, ideally each a disk.",
    );
  }
  const state = join(first, "state");
  const nodes =
    roots.length === 1
      ? [1, 2, 3].map((n) => join(first, `node-${n}`))
      : roots.map((root) => join(root, "node"));
  for (const folder of [...roots, state, ...nodes])
    makeFolder(folder, "Give another one with --data, or make it writable.");
  const journals =
    roots.length === 1
      ? [1, 2, 3].map((n) => join(first, `journal-${n}`))
      : roots.slice(0, 3).map((root) => join(root, "journal"));
  return { roots, state, journals, nodes, promise: promiseOf(roots) };
}

function promiseOf(roots: readonly string[]): string {
  if (roots.length === 1)
    return "Three copies in three sub-folders: survives a damaged or lost sub-folder, not a lost disk.";
  const carriers = roots.length === 3 ? "" : ` Names and keys lie in ${roots.slice(0, 3).join(", ")}.`;
  return `Three copies of every byte, name and key on three of ${roots.length} folders: survives the loss of any one of them.${carriers}`;
}
