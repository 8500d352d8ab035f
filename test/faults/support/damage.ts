import { copyFileSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { Random } from "./random";

/** Files of a data folder that have the same name but for numbers and ids, as `node/segments/#`. */
export type Kind = string;

/** What befalls a file, and what another file of the same kind or, where there is none, of another one is for. */
export const damages = {
  "bit flips": (path: string, random: Random) => {
    const bytes = readFileSync(path);
    // Several, since one may meet what nobody reads, as the zeros between two records.
    for (let flips = 0; flips < 8; flips++) {
      const at = random.whole(bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 << random.whole(8));
    }
    writeFileSync(path, bytes);
  },
  truncation: (path: string, random: Random) => truncateSync(path, random.whole(statSync(path).size)),
  /** Right bytes in the wrong place. */
  swap: (path: string, random: Random, others: readonly string[]) => {
    const other = random.pick(others);
    const bytes = readFileSync(path);
    copyFileSync(other, path);
    writeFileSync(other, bytes);
  },
} as const;
export type Damage = keyof typeof damages;

/** The files below a data folder, by kind; those that are empty hold nothing that could be damaged. */
export function kindsIn(root: string): Map<Kind, string[]> {
  const kinds = new Map<Kind, string[]>();
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || statSync(path).size === 0) continue;
    const kind = relative(root, path)
      .split("/")
      .map((part) => part.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{7}\b|\d+/g, "#"))
      .join("/");
    kinds.set(kind, [...(kinds.get(kind) ?? []), path]);
  }
  return kinds;
}

/**
 * Damages one file of a kind; answers which, or undefined where there is none. A swap is with another one of that kind
 * or, where there is none, with one of `among`: no file is hit that was not to be.
 */
export function damageOne(
  root: string,
  kind: Kind,
  among: readonly Kind[],
  damage: Damage,
  random: Random,
): string | undefined {
  const kinds = kindsIn(root);
  const files = kinds.get(kind);
  if (files === undefined) return undefined;
  const path = random.pick(files);
  const alike = files.filter((other) => other !== path);
  const rest = among
    .flatMap((other) => kinds.get(other) ?? [])
    .filter((other) => other !== path && !isTwin(other));
  const others = alike.length > 0 ? alike : rest;
  damages[damage](path, random, others);
  return relative(root, path);
}

/** volume.json and its copy are there for each other: to swap another file with one of them would damage both. */
function isTwin(path: string): boolean {
  return /volume\.json(\.copy)?$/.test(path);
}
