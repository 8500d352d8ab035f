/** Takes one line of a dump; waited for, so that a slow terminal holds the dump up and not its memory. */
export type Print = (line: string) => void | Promise<void>;

/** A label and what it says, one below the other. */
export function field(label: string, value: string | number | bigint): string {
  return `  ${label.padEnd(18)}${value}`;
}

/** A CRC-32C as it is written down everywhere. */
export function crcText(crc32c: number): string {
  return (crc32c >>> 0).toString(16).padStart(8, "0");
}

export function verdict(sound: boolean): string {
  return sound ? "ok" : "bad";
}

export function right(value: string | number, width: number): string {
  return String(value).padStart(width);
}
