import { crc32c } from "@node-rs/crc32";
import { type JournalDisk, readWhole, replaceFile } from "./journal-disk";

/** Who a folder is, and the last epoch that was claimed in it (P5). */
export type Claim = {
  readonly format: 1;
  readonly history: string;
  /** Histories that this one goes on from, each given up by an operator's word: their records are part of its log. */
  readonly former: readonly string[];
  /** The folder's own id, made once: an emptied folder is another one. */
  readonly member: string;
  readonly epoch: number;
  /** Random: two starts that claim the same epoch are told apart. */
  readonly claimId: string;
};

const name = "claim.json";

/** Durable when it resolves. */
export async function writeClaim(disk: JournalDisk, folder: string, claim: Claim): Promise<void> {
  const text = JSON.stringify(claim);
  const line = `${text} ${crc32c(text).toString(16).padStart(8, "0")}\n`;
  await replaceFile(disk, folder, name, Buffer.from(line));
}

/** Undefined when there is none, or none that can be believed: then the folder is a new one. Rejects for a newer one. */
export async function readClaim(disk: JournalDisk, folder: string): Promise<Claim | undefined> {
  const text = (await readWhole(disk, `${folder}/${name}`))?.toString() ?? "";
  const [, json, checksum] = /^(\{.*\}) ([0-9a-f]{8})\n$/.exec(text) ?? [];
  if (json === undefined || crc32c(json) !== Number.parseInt(checksum ?? "", 16)) return undefined;
  const claim = JSON.parse(json) as { format: number; former?: string[] } & Omit<Claim, "former">;
  // Such a folder is not new: nothing of it may be set aside.
  if (claim.format !== 1) throw new Error(`a newer Cairn wrote its ${name} (format ${claim.format})`);
  return { ...claim, former: claim.former ?? [] };
}

/** A log file of this history is part of the log that a folder with this claim holds. */
export function isOfClaim(history: string, claim: Pick<Claim, "history" | "former"> | undefined): boolean {
  return claim !== undefined && (claim.history === history || claim.former.includes(history));
}
