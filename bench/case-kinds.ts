import type { Body } from "./bodies";
import { once, runLoad, type Step, stored } from "./load";
import { progress } from "./progress";
import { headFor, type Target } from "./target";

/** One figure: what is asked of a target, how often at once, and what it must reach. */
export type Case = {
  readonly name: string;
  readonly title: string;
  readonly concurrency: number;
  /** Bodies whose throughput counts in MB/s rather than in operations. */
  readonly large: boolean;
  /** As a ratio to the floor; undefined when the floor has no such operation. */
  readonly floorGoal?: number;
  /** The guide's figures, for the embedded store alone. */
  readonly guide?: { readonly leastPerSecond?: number; readonly mostMedianMs: number };
  /** A round ends after so many: those that `prepare` made, each of which can be asked for once. */
  readonly operationsARound?: number;
  /** Puts what the requests need; once a target, before the rounds. */
  prepare(target: Target): Promise<void>;
  /** The requests of one round. */
  steps(target: Target, round: number): (worker: number, index: number) => Step;
  /** Reads back what a round wrote; rejects when it is not there. */
  verify?(target: Target, round: number): Promise<void>;
};

/** All cases work in it. */
export const bucket = "bench";

/** The floor has none. */
export async function makeBucket(target: Target): Promise<void> {
  if (!target.dialect.hasBuckets) return;
  const head = headFor(target, "PUT", `/${bucket}`, { bodyBytes: 0 });
  await once(target.url, { request: { head }, expected: { status: 200 } });
}

/** What tells a case from others of its kind. */
type Shape = Pick<Case, "name" | "title" | "concurrency" | "floorGoal" | "guide"> & { large?: boolean };
/** The body of the object with this number. */
type BodyAt = (index: number) => Body;

/** Without `namesAWorker` each write has a name of its own. */
export function putCase(shape: Shape, bodyAt: BodyAt, namesAWorker = Number.POSITIVE_INFINITY): Case {
  const pathOf = (round: number, worker: number, index: number) =>
    Number.isFinite(namesAWorker)
      ? `/${bucket}/${shape.name}/${worker}-${index % namesAWorker}`
      : `/${bucket}/${shape.name}/${round}/${worker}-${index}`;
  const body = (worker: number, index: number) => bodyAt(worker * 7 + index);
  const lastIndex = new Map<number, number>();
  return {
    ...shape,
    large: shape.large ?? false,
    prepare: async () => {},
    steps: (target, round) => {
      lastIndex.clear();
      return (worker, index) => {
        lastIndex.set(worker, index);
        return put(target, pathOf(round, worker, index), body(worker, index));
      };
    },
    async verify(target, round) {
      for (const [worker, index] of lastIndex) {
        await once(target.url, get(target, pathOf(round, worker, index), body(worker, index)));
      }
    },
  };
}

export function getCase(shape: Shape, bodyAt: BodyAt, keys: number): Case {
  const prefix = `/${bucket}/${shape.name}`;
  return {
    ...shape,
    large: shape.large ?? false,
    prepare: (target) => fill(target, prefix, bodyAt, keys),
    steps: (target) => (worker, index) => {
      const key = spread(worker, index, keys);
      return get(target, `${prefix}/${key}`, bodyAt(key));
    },
  };
}

export function headCase(shape: Shape, bodyAt: BodyAt, keys: number): Case {
  const prefix = `/${bucket}/${shape.name}`;
  return {
    ...shape,
    large: false,
    prepare: (target) => fill(target, prefix, bodyAt, keys),
    steps: (target) => (worker, index) => {
      const key = spread(worker, index, keys);
      return {
        request: { head: headFor(target, "HEAD", `${prefix}/${key}`), isHead: true },
        expected: { status: 200, etag: bodyAt(key).md5 },
      };
    },
  };
}

/** A page of `pageKeys` of `keys`; as XML where targets are compared that know nothing else. */
export function listCase(
  shape: Shape,
  bodyAt: BodyAt,
  { keys, pageKeys, xml = false }: { keys: number; pageKeys: number; xml?: boolean },
): Case {
  const path = `/${bucket}?list-type=2&max-keys=${pageKeys}&prefix=${shape.name}%2F`;
  const text = xml ? `<KeyCount>${pageKeys}</KeyCount>` : `"keyCount":${pageKeys}`;
  return {
    ...shape,
    large: false,
    prepare: (target) => fill(target, `/${bucket}/${shape.name}`, bodyAt, keys),
    steps: (target) => () => ({
      request: { head: headFor(target, "GET", path, xml ? { accept: "application/xml" } : {}) },
      expected: { status: 200, text },
    }),
  };
}

/** Deletes what was put for it: `operationsARound` objects in each of `rounds`. */
export function deleteCase(
  shape: Shape,
  bodyAt: BodyAt,
  { operationsARound, rounds }: { operationsARound: number; rounds: number },
): Case {
  const prefixOf = (round: number) => `/${bucket}/${shape.name}/${round}`;
  return {
    ...shape,
    large: false,
    operationsARound,
    prepare: async (target) => {
      for (let round = 1; round <= rounds; round += 1) {
        await fill(target, prefixOf(round), bodyAt, operationsARound);
      }
    },
    steps: (target, round) => {
      let next = 0;
      return () => {
        // A client that begins when the last object has just been asked for asks for it once more, to the same end.
        const key = Math.min(next++, operationsARound - 1);
        return {
          request: { head: headFor(target, "DELETE", `${prefixOf(round)}/${key}`) },
          expected: { status: 204 },
        };
      };
    },
    async verify(target, round) {
      const head = headFor(target, "HEAD", `${prefixOf(round)}/0`);
      await once(target.url, { request: { head, isHead: true }, expected: { status: 404 } });
    },
  };
}

/** Puts `keys` objects named 0 to keys - 1, or as `keyAt` says. */
export async function fill(
  target: Target,
  prefix: string,
  bodyAt: BodyAt,
  keys: number,
  { keyAt = String, clients = 16 }: { keyAt?: (index: number) => string; clients?: number } = {},
): Promise<void> {
  let next = 0;
  const startedMs = performance.now();
  const result = await runLoad({
    url: target.url,
    concurrency: Math.min(clients, keys),
    warmUpMs: 0,
    durationMs: Number.POSITIVE_INFINITY,
    maxOperations: keys,
    step: () => {
      if (next > 0 && next % 20_000 === 0) progress(next, keys, startedMs);
      const key = next++ % keys;
      return put(target, `${prefix}/${keyAt(key)}`, bodyAt(key));
    },
  });
  if (result.errors > 0) throw new Error(`${target.name} could not be filled: ${result.firstError}`);
}

function put(target: Target, path: string, body: Body): Step {
  const head = headFor(target, "PUT", path, { bodyBytes: body.bytes.length });
  return { request: { head, body: body.bytes }, expected: stored(body) };
}

function get(target: Target, path: string, body: Body): Step {
  return { request: { head: headFor(target, "GET", path) }, expected: { status: 200, body: body.bytes } };
}

/** Keys in an order that is not theirs, each as often as any other. */
function spread(worker: number, index: number, keys: number): number {
  return (worker * 101 + index * 1009) % keys;
}

export function pick(bodies: readonly Body[], index: number): Body {
  const body = bodies[index % bodies.length];
  if (body === undefined) throw new Error("There are no bodies.");
  return body;
}

export function lazy<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
