import { bodiesOf } from "../bodies";
import { type Case, deleteCase, getCase, headCase, lazy, listCase, pick, putCase } from "../case-kinds";

/** A case with what Cairn must reach as a multiple of the other store. */
export type RaceCase = { readonly case: Case; readonly goal: number; readonly hasFloor: boolean };

const kib = 1024;
const mib = 1024 * kib;
const smallKeys = 2048;
const mediumKeys = 64;

export const memoryGoalMiB = 250;

export function raceCases(rounds: number, quick: boolean): readonly RaceCase[] {
  const bodies = (count: number, sizeBytes: number) => {
    const all = lazy(() => bodiesOf(count, sizeBytes));
    return (index: number) => pick(all(), index);
  };
  const small = bodies(64, 4 * kib);
  const of64k = bodies(32, 64 * kib);
  const of256k = bodies(32, 256 * kib);
  const of1m = bodies(16, mib);
  const of64m = bodies(4, 64 * mib);
  const listOf = (pageKeys: number) =>
    listCase({ name: `list-${pageKeys}`, title: `LIST, a page of ${pageKeys}`, concurrency: 4 }, small, {
      keys: smallKeys,
      pageKeys,
      xml: true,
    });
  const put = (one: Case, goal: number): RaceCase => ({ case: one, goal, hasFloor: true });
  const ask = (one: Case, goal: number): RaceCase => ({ case: one, goal, hasFloor: false });
  return [
    put(putCase({ name: "put-4k", title: "PUT 4 KiB", concurrency: 32 }, small), 8),
    put(getCase({ name: "get-4k", title: "GET 4 KiB", concurrency: 32 }, small, smallKeys), 2.5),
    ask(headCase({ name: "head-4k", title: "HEAD 4 KiB", concurrency: 32 }, small, smallKeys), 3),
    ask(listOf(1000), 2.5),
    ask(listOf(100), 2.5),
    ask(
      deleteCase({ name: "delete-4k", title: "DELETE 4 KiB", concurrency: 32 }, small, {
        operationsARound: quick ? 1000 : 5000,
        rounds,
      }),
      6,
    ),
    put(putCase({ name: "put-64k", title: "PUT 64 KiB", concurrency: 16 }, of64k), 3.5),
    put(putCase({ name: "put-256k", title: "PUT 256 KiB", concurrency: 16 }, of256k), 2.5),
    // From here on bodies are written under few names, again and again, so that the disk does not fill.
    put(putCase({ name: "put-1m", title: "PUT 1 MiB", concurrency: 8, large: true }, of1m, 8), 1.5),
    put(getCase({ name: "get-1m", title: "GET 1 MiB", concurrency: 8, large: true }, of1m, mediumKeys), 1.4),
    put(putCase({ name: "put-64m", title: "PUT 64 MiB", concurrency: 4, large: true }, of64m, 1), 1.2),
    put(getCase({ name: "get-64m", title: "GET 64 MiB", concurrency: 4, large: true }, of64m, 4), 1.5),
  ];
}
