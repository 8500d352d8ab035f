import { ConfigError } from "../common/config/options";
import { codeOf, type Disk } from "./disk";
import { volumeFileName } from "./volume-file";

/** Throws ConfigError unless the folder is a volume; before anything is made in one that was mistaken for it. */
export async function requireVolume(disk: Disk, folder: string): Promise<void> {
  const names = await disk.list(folder).catch((error: unknown) => {
    if (codeOf(error) === "") throw error;
    throw new ConfigError(`The folder ${folder} cannot be read: ${codeOf(error)}.`);
  });
  if (names.includes(volumeFileName)) return;
  const volumes: string[] = [];
  for (const name of names.sort())
    if ((await disk.stat(`${folder}/${name}/${volumeFileName}`).catch(() => undefined)) !== undefined)
      volumes.push(`${folder}/${name}`);
  throw new ConfigError(
    volumes.length > 0
      ? `${folder} is no volume but holds ${volumes.join(", ")}: give one of these.`
      : `${folder} is no volume: it has no ${volumeFileName}.`,
  );
}
