import { crc32c } from "@node-rs/crc32";
import { z } from "zod";
import type { Disk } from "./disk";
import type { HistoryPosition } from "./history";
import { readText, replaceFile } from "./replace-file";

export const volumeFileName = "volume.json";
/** The same once more, for when the first is damaged: without it a wrong bit would keep a whole node from starting. */
export const volumeCopyName = "volume.json.copy";
/**
 * 2: segments may have gaps. 3: a checksum, without which a wrong bit in a history's id would look like a database from
 * elsewhere. Written when a volume is opened for writing, so that an older Cairn refuses it.
 */
export const volumeFormat = 3;

const position = z.object({
  clusterId: z.string(),
  historyId: z.string(),
  changeNumber: z.coerce.bigint(),
  changeCommandId: z.string(),
  markNumber: z.coerce.bigint(),
  markCommandId: z.string(),
});

const schema = z.object({
  format: z.literal([1, 2, 3]),
  volumeId: z.uuid(),
  nodeId: z.uuid(),
  history: position.optional(),
  fence: z.string().optional(),
  fencedVolumes: z.record(z.string(), z.string()),
  suspendedAtMs: z.array(z.number()).optional(),
  unreadableBlobs: z.array(z.string()).optional(),
});

/** What a volume knows of itself; kept in its folder as volume.json. */
export type VolumeRecord = {
  /** As it was read; what is written has the newest. */
  readonly format: number;
  readonly volumeId: string;
  readonly nodeId: string;
  /** Which metadata history it follows, and how far it has seen it (P7). */
  readonly history?: HistoryPosition | undefined;
  /** Why it is fenced (P9). */
  readonly fence?: string | undefined;
  /** Why other volumes of this node are fenced, by volume id: theirs may be past writing it down. */
  readonly fencedVolumes: Readonly<Record<string, string>>;
  /** When its disk hung lately, and which blobs it could not give back: a stated number of either fences (P9). */
  readonly suspendedAtMs?: readonly number[] | undefined;
  readonly unreadableBlobs?: readonly string[] | undefined;
};

/** A volume.json that cannot be used; the message says why. */
export class UnusableVolumeFile extends Error {}

/**
 * Undefined when the folder has none, whatever its copy says: without volume.json it is no volume (any more). A damaged
 * one is taken from its copy; `whole` tells whether both are as they should be. Throws UnusableVolumeFile, or what the
 * disk throws.
 */
export async function readVolumeFile(
  disk: Disk,
  folder: string,
): Promise<{ readonly record: VolumeRecord; readonly whole: boolean } | undefined> {
  const text = await readText(disk, `${folder}/${volumeFileName}`);
  if (text === undefined) return undefined;
  const copy = await readText(disk, `${folder}/${volumeCopyName}`).catch(() => undefined);
  try {
    return { record: parseVolumeFile(text), whole: copy === text };
  } catch (error) {
    if (!(error instanceof UnusableVolumeFile) || copy === undefined) throw error;
    try {
      return { record: parseVolumeFile(copy), whole: false };
    } catch {
      throw error;
    }
  }
}

/** Replaces volume.json and its copy; durable when it resolves. Not to be run twice at once for one folder. */
export async function writeVolumeFile(disk: Disk, folder: string, record: VolumeRecord): Promise<void> {
  const text = JSON.stringify({ ...record, format: volumeFormat }, bigintAsText);
  const checked = `${JSON.stringify({ ...JSON.parse(text), crc32c: crc32c(text) }, null, 2)}\n`;
  for (const name of [volumeFileName, volumeCopyName]) await replaceFile(disk, folder, name, checked);
}

export function parseVolumeFile(text: string): VolumeRecord {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new UnusableVolumeFile(`${volumeFileName} is not JSON: ${(error as Error).message}`);
  }
  const format = (json as { format?: unknown } | null)?.format;
  if (typeof format === "number" && format > volumeFormat)
    throw new UnusableVolumeFile(
      `it was written by a newer Cairn (format ${format}, known is ${volumeFormat})`,
    );
  checkSum(json);
  const parsed = schema.safeParse(json);
  if (!parsed.success)
    throw new UnusableVolumeFile(`${volumeFileName} is not understood: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** The checksum is over all else, as JSON without spaces. Formats 1 and 2 had none. */
function checkSum(json: unknown): void {
  const { crc32c: expected, ...rest } = (json ?? {}) as { crc32c?: unknown; format?: unknown };
  if (expected === undefined && (rest.format === 1 || rest.format === 2)) return;
  const found = crc32c(JSON.stringify(rest));
  if (found !== expected)
    throw new UnusableVolumeFile(
      `${volumeFileName} is damaged: its checksum is ${found}, ${String(expected)} was written`,
    );
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
