import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const noteName = "first-key.json";

/** When the first admin key was printed, remembered beside the state; the key itself never is (I9). */
export function rememberFirstKey(stateFolder: string, printedAtMs: number): void {
  writeFileSync(
    join(stateFolder, noteName),
    `${JSON.stringify({ printedAt: new Date(printedAtMs).toISOString() })}\n`,
    { mode: 0o600 },
  );
}

/** What a later start says about it; the note lies in whichever folder held the state then. */
export function firstKeyHint(stateFolders: readonly string[], data: readonly string[]): string {
  const path = stateFolders.map((folder) => join(folder, noteName)).find((note) => existsSync(note));
  const another = `\`${newKeyCommand(data)}\` makes another.`;
  if (path === undefined)
    return `The admin API key is the one given as ADMIN_API_KEY at the first start; ${another}`;
  const { printedAt } = JSON.parse(readFileSync(path, "utf8")) as { printedAt: string };
  return `The admin API key was printed by the first start, ${printedAt}; ${another}`;
}

/** The command that makes another admin key for this data. */
export function newKeyCommand(data: readonly string[]): string {
  const named = data.join() === "./data" ? [] : data;
  return `npm run cairn -- admin new-key${named.map((folder) => ` --data ${folder}`).join("")}`;
}
