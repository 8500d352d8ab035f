import type { WriteLimits } from "./config";

/** What is known of a replica that is being written. */
export type Progress = {
  readonly reader: {
    readonly takenBytes: number;
    readonly lastTakenAtMs: number;
    readonly finished: boolean;
  };
};

export type Late = { readonly replica: Progress; readonly why: "behind" | "slow" | "stalled" };

/**
 * Which replica has to go now (P1): one that is 8 MiB behind the other two, or took nothing for 2 s while they did
 * ("slow"), or took nothing for so long that it counts as gone whatever the others do ("stalled"). The rule about
 * the others needs two of them, so it never drops below what is durable.
 */
export function lagging(
  active: readonly Progress[],
  durable: number,
  writtenBytes: number,
  nowMs: number,
  limits: Pick<WriteLimits, "dropBytes" | "dropMs" | "stallMs">,
): Late | undefined {
  const waiting = active.filter(
    (replica) => !replica.reader.finished && replica.reader.takenBytes < writtenBytes,
  );
  const gone = waiting.find((replica) => nowMs - replica.reader.lastTakenAtMs >= limits.stallMs);
  if (gone !== undefined) return { replica: gone, why: "stalled" };
  if (active.length + durable < 3) return undefined;
  const [slowest, next] = [...active].sort((a, b) => a.reader.takenBytes - b.reader.takenBytes);
  if (slowest === undefined) return undefined;
  const othersTaken = next === undefined ? writtenBytes : next.reader.takenBytes;
  const behindBytes = othersTaken - slowest.reader.takenBytes;
  if (behindBytes >= limits.dropBytes) return { replica: slowest, why: "behind" };
  const idleMs = nowMs - slowest.reader.lastTakenAtMs;
  return behindBytes > 0 && idleMs >= limits.dropMs ? { replica: slowest, why: "slow" } : undefined;
}
