import { bodiesOf } from "./bodies";
import { type Case, getCase, headCase, lazy, listCase, pick, putCase } from "./case-kinds";

const kib = 1024;
const mib = 1024 * kib;
const smallBytes = 4 * kib;
const largeBytes = 64 * mib;
const readKeys = 2048;
const pageKeys = 1000;

/** What `npm run bench` measures: against the floor, and against the guide's figures. */
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
    headCase(
      { name: "guide-metadata", title: "metadata (HEAD)", concurrency: 8, guide: { mostMedianMs: 10 } },
      smallOf,
      readKeys,
    ),
    listCase(
      {
        name: "guide-listing",
        title: `listing, a page of ${pageKeys}`,
        concurrency: 8,
        guide: { mostMedianMs: 20 },
      },
      smallOf,
      { keys: readKeys, pageKeys },
    ),
  ];
}
