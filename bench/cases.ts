import { type Body, bodiesOf } from "./bodies";
import { requestHead } from "./http-connection";
import { once, runLoad, type Step, stored } from "./load";
import type { Target } from "./target";

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
  /** Puts what the requests need; once a target, before the rounds. */
  prepare(target: Target): Promise<void>;
  /** The requests of one round. */
  steps(target: Target, round: number): (worker: number, index: number) => Step;
  /** Reads back what a round wrote; rejects when it is not there. */
  verify?(target: Target, round: number): Promise<void>;
};

const kib = 1024;
const mib = 1024 * kib;
const smallBytes = 4 * kib;
const largeBytes = 64 * mib;
const readKeys = 2048;
const bucket = "bench";
const pageKeys = 1000;

/** Makes the bucket that all cases work in; the floor has none. */
export async function makeBucket(target: Target): Promise<void> {
  if (target.key === undefined) return;
  const head = requestHead("PUT", `/${bucket}`, { host: target.url.host, key: target.key, bodyBytes: 0 });
  await once(target.url, { request: { head }, expected: { status: 200 } });
}

export function allCases(): readonly Case[] {
  const smalls = lazy(() => bodiesOf(64, smallBytes));
  const larges = lazy(() => bodiesOf(4, largeBytes));
  const smallOf = (index: number) => pick(smalls(), index);
  return [
    putCase({ name: "put-4k", title: "PUT 4 KiB", concurrency: 32, floorGoal: 0.25 }, smallOf),
    getCase({ name: "get-4k", title: "GET 4 KiB", concurrency: 32, floorGoal: 0.4 }, smallOf, readKeys),
    // A large body is written again and again under a few names, so that the disk does not fill.
    putCase(
      { name: "put-64m", title: "PUT 64 MiB", concurrency: 4, floorGoal: 0.5, large: true },
      (index) => pick(larges(), index),
      1,
    ),
    getCase(
      { name: "get-64m", title: "GET 64 MiB", concurrency: 4, floorGoal: 0.6, large: true },
      (index) => pick(larges(), index),
      4,
    ),
    putCase(
      {
        name: "guide-upload",
        title: "upload 4 KiB",
        concurrency: 8,
        guide: { leastPerSecond: 1000, mostMedianMs: 50 },
      },
      smallOf,
    ),
    getCase(
      { name: "guide-download", title: "download 4 KiB", concurrency: 8, guide: { mostMedianMs: 10 } },
      smallOf,
      readKeys,
    ),
    headCase(smallOf),
    listCase(smallOf),
  ];
}

type Shape = Pick<Case, "name" | "title" | "concurrency" | "floorGoal" | "guide"> & { large?: boolean };
type BodyAt = (index: number) => Body;

/** Without `namesAWorker` each write has a name of its own. */
function putCase(shape: Shape, bodyAt: BodyAt, namesAWorker = Number.POSITIVE_INFINITY): Case {
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

function getCase(shape: Shape, bodyAt: BodyAt, keys: number): Case {
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

function headCase(bodyAt: BodyAt): Case {
  const prefix = `/${bucket}/guide-metadata`;
  return {
    name: "guide-metadata",
    title: "metadata (HEAD)",
    concurrency: 8,
    large: false,
    guide: { mostMedianMs: 10 },
    prepare: (target) => fill(target, prefix, bodyAt, readKeys),
    steps: (target) => (worker, index) => {
      const key = spread(worker, index, readKeys);
      return {
        request: { head: headOf(target, "HEAD", `${prefix}/${key}`), isHead: true },
        expected: { status: 200, etag: bodyAt(key).md5 },
      };
    },
  };
}

function listCase(bodyAt: BodyAt): Case {
  const prefix = `/${bucket}/guide-listing`;
  return {
    name: "guide-listing",
    title: `listing, a page of ${pageKeys}`,
    concurrency: 8,
    large: false,
    guide: { mostMedianMs: 20 },
    prepare: (target) => fill(target, prefix, bodyAt, readKeys),
    steps: (target) => () => ({
      request: {
        head: headOf(target, "GET", `/${bucket}?list-type=2&prefix=guide-listing/&max-keys=${pageKeys}`),
      },
      expected: { status: 200, text: `"keyCount":${pageKeys}` },
    }),
  };
}

/** Puts `keys` objects named 0 to keys - 1. */
async function fill(target: Target, prefix: string, bodyAt: BodyAt, keys: number): Promise<void> {
  let next = 0;
  const result = await runLoad({
    url: target.url,
    concurrency: Math.min(16, keys),
    warmUpMs: 0,
    durationMs: 600_000,
    maxOperations: keys,
    step: () => {
      const key = next++ % keys;
      return put(target, `${prefix}/${key}`, bodyAt(key));
    },
  });
  if (result.errors > 0) throw new Error(`${target.name} could not be filled: ${result.firstError}`);
}

function put(target: Target, path: string, body: Body): Step {
  const head = requestHead("PUT", path, {
    host: target.url.host,
    key: target.key,
    bodyBytes: body.bytes.length,
  });
  return { request: { head, body: body.bytes }, expected: stored(body) };
}

function get(target: Target, path: string, body: Body): Step {
  return { request: { head: headOf(target, "GET", path) }, expected: { status: 200, body: body.bytes } };
}

function headOf(target: Target, method: string, path: string): string {
  return requestHead(method, path, { host: target.url.host, key: target.key });
}

/** Keys in an order that is not theirs, each as often as any other. */
function spread(worker: number, index: number, keys: number): number {
  return (worker * 101 + index * 1009) % keys;
}

function pick(bodies: readonly Body[], index: number): Body {
  const body = bodies[index % bodies.length];
  if (body === undefined) throw new Error("There are no bodies.");
  return body;
}

function lazy<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
