import { absent, type Condition, closed, type Effect, type Entry, unknown } from "./history";

/**
 * Whether some order of these operations, each at one moment between its call and its answer, explains all answers
 * (Herlihy and Wing; the search is Wing and Gong's with Lowe's memory of configurations already seen, as Porcupine's).
 * Operations without an answer may be left out. `undefined` when there is an order; else the longest explained prefix,
 * for people.
 */
export function unexplained(entries: readonly Entry[], start = absent): Entry[] | undefined {
  const sorted = [...entries].sort((a, b) => a.invokedAt - b.invokedAt || a.returnedAt - b.returnedAt);
  const mustBeDone = sorted.filter((entry) => entry.returnedAt !== Number.POSITIVE_INFINITY).length;
  const done = new Uint8Array(sorted.length);
  const seen = new Set<string>();
  const path: number[] = [];
  let longest: number[] = [];
  const copied = copyable(sorted);

  const search = (state: string, doneAnswered: number): boolean => {
    if (doneAnswered === mustBeDone) return true;
    const configuration = `${state} ${Buffer.from(done).toString("latin1")}`;
    if (seen.has(configuration)) return false;
    seen.add(configuration);
    // Whoever was called after another's answer cannot come before it.
    let firstAnswer = Number.POSITIVE_INFINITY;
    for (const [at, entry] of sorted.entries())
      if (done[at] === 0 && entry.returnedAt < firstAnswer) firstAnswer = entry.returnedAt;
    for (const [at, entry] of sorted.entries()) {
      if (entry.invokedAt > firstAnswer) break;
      if (done[at] === 1) continue;
      const next = applied(state, entry.effect);
      if (next === undefined) continue;
      done[at] = 1;
      path.push(at);
      if (path.length > longest.length) longest = [...path];
      const answered = entry.returnedAt === Number.POSITIVE_INFINITY ? 0 : 1;
      for (const value of next === unknown ? copied : [next])
        if (search(value, doneAnswered + answered)) return true;
      path.pop();
      done[at] = 0;
    }
    return false;
  };
  return search(start, 0) ? undefined : longest.map((at) => sorted[at] as Entry);
}

/**
 * What a copy whose answer never came may have made: a value that an operation speaks of, or one that none speaks of,
 * as nobody read it before it was gone (`unknown` itself stands for that). Never nothing: copies are of versions.
 */
function copyable(entries: readonly Entry[]): Set<string> {
  const values = new Set([unknown]);
  for (const { effect } of entries) {
    const when = effect.kind === "read" ? undefined : effect.when;
    if (effect.kind === "read") values.add(effect.value);
    if (when?.is === "value") values.add(when.value);
  }
  values.delete(absent);
  values.delete(closed);
  return values;
}

/** The register after the operation, or undefined when it cannot have happened then. */
function applied(state: string, effect: Effect): string | undefined {
  switch (effect.kind) {
    case "read":
      return state === effect.value ? state : undefined;
    case "refused":
      return state !== closed && !holds(effect.when, state) ? state : undefined;
    case "write":
      if (state === closed) return undefined;
      return effect.when === undefined || holds(effect.when, state) ? effect.value : undefined;
  }
}

function holds(condition: Condition, state: string): boolean {
  if (condition.is === "absent") return state === absent;
  if (condition.is === "present") return state !== absent;
  return state === condition.value;
}
