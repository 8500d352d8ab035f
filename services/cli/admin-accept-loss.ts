import { statSync } from "node:fs";
import type { Settings } from "../common/config/options";
import { lossOf } from "../common/journal/begin-history";
import { Journal } from "../common/journal/journal";
import { nodeDisk } from "../storage/node-disk";
import { claimDataFolders } from "./data-folders";
import { journalOptions } from "./embedded-state";

/**
 * `cairn admin accept-loss`: an operator's word (P5) for an embedded store that does not run and has lost two of the
 * three folders that carry names and keys. Says what would be gone on from and what may be lost; with `yes` begins the
 * new history. Throws JournalUnusable when it is not needed, or cannot be.
 */
export async function acceptLoss(
  settings: Pick<Settings, "data">,
  yes: boolean,
): Promise<{ readonly text: string; readonly done: boolean }> {
  const folders = claimDataFolders(settings.data);
  try {
    const { survivor, without } = await lossOf({ disk: nodeDisk, folders: folders.journals });
    const { epoch, number } = survivor.tail;
    const lastFile = survivor.files.at(-1)?.path ?? survivor.folder;
    const writtenAt = statSync(lastFile).mtime.toISOString();
    const found = [
      `Of the three folders that carry names and keys one can be gone on from: ${survivor.folder}.`,
      `It ends with record ${number} of epoch ${epoch} and was last written to at ${writtenAt}.`,
      ...without.map(({ folder, reason }) => `Not gone on from: ${folder}: ${reason}`),
      "",
    ];
    if (!yes)
      return {
        text: [...found, ...meaning, "", "Nothing was changed. To do it: --yes"].join("\n"),
        done: false,
      };
    const journal = await Journal.open({ ...journalOptions(folders.journals), acceptLoss: true });
    try {
      const level = journal.status().filter((status) => status.level);
      const where = level.map(({ folder }) => folder).join(" and ");
      return {
        text: [...found, `A new history has begun in ${where}.`, ...afterwards].join("\n"),
        done: true,
      };
    } finally {
      await journal.close();
    }
  } finally {
    folders.release();
  }
}

const meaning = [
  "Going on from it means:",
  "- What that folder holds is served. What was acknowledged while it was behind the two others, and never reached it,",
  "  is lost: objects, deletions, users, keys. If it was level until the others were lost, that is nothing.",
  "- An object whose bytes lay on the lost folders alone answers 503 until one of them is back.",
  "- A new history begins. The other folders never count by themselves again: one that comes back is brought level as",
  "  a new member, and what only it held is set aside.",
  "- Volumes that have seen the former history delete nothing until `cairn admin accept-history`.",
  "A lost folder that can still be brought back is the better way: then nothing need be accepted.",
];

const afterwards = [
  "Start the store as before, look whether what you need is there, and then let volumes delete again:",
  "cairn admin accept-history",
];
