import { bodiesOf } from "../bodies";
import { bucket, type Case, deleteCase, getCase, lazy, pick, putCase } from "../case-kinds";
import { headFor } from "../target";
import { fewKeys, manyKeyAt, manyPrefix } from "./grown-store";

const readKeys = 2048;
const pageKeys = 1000;

/** What is asked of a small and of a large store by turns. `smallSize`: how many objects the small one has. */
export function growthCases(rounds: number, quick: boolean, smallSize: number): readonly Case[] {
  const bodies = lazy(() => bodiesOf(64, 4096));
  const bodyAt = (index: number) => pick(bodies(), index);
  return [
    putCase({ name: "put", title: "PUT 4 KiB", concurrency: 32 }, bodyAt),
    getCase({ name: "get", title: "GET 4 KiB", concurrency: 32 }, bodyAt, readKeys),
    pageCase(smallSize),
    deleteCase({ name: "delete", title: "DELETE 4 KiB", concurrency: 32 }, bodyAt, {
      operationsARound: quick ? 1000 : 4000,
      rounds,
    }),
  ];
}

/** Pages that begin anywhere in the first objects that both stores have. */
function pageCase(smallSize: number): Case {
  const begins = Math.max(1, smallSize - pageKeys - 1);
  return {
    name: "page",
    title: `LIST, a page of ${pageKeys}`,
    concurrency: 4,
    large: false,
    prepare: async () => {},
    steps: (target) => (worker, index) => {
      const after = encodeURIComponent(
        `${manyPrefix}/${manyKeyAt((worker * 7919 + index * 104_729) % begins)}`,
      );
      const path = `/${bucket}?list-type=2&max-keys=${pageKeys}&prefix=${manyPrefix}%2F&start-after=${after}`;
      return {
        request: { head: headFor(target, "GET", path) },
        expected: { status: 200, text: `"keyCount":${pageKeys}` },
      };
    },
  };
}

/**
 * A page of ten keys below a prefix, of the ten or of the many: which of them, the target's name says, so that both go
 * by turns in one store.
 */
export const prefixCase: Case = {
  name: "prefix",
  title: `LIST ${fewKeys} keys of a prefix`,
  concurrency: 4,
  large: false,
  prepare: async () => {},
  steps: (target) => () => ({
    request: {
      head: headFor(target, "GET", `/${bucket}?list-type=2&max-keys=${fewKeys}&prefix=${target.name}%2F`),
    },
    expected: { status: 200, text: `"keyCount":${fewKeys}` },
  }),
};
