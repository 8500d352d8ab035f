import { lagging } from "./lagging";

const MiB = 1024 * 1024;
const limits = { dropBytes: 8 * MiB, dropMs: 2_000, stallMs: 10_000 };
const replica = (takenMiB: number, lastTakenAtMs: number, finished = false) => ({
  reader: { takenBytes: takenMiB * MiB, lastTakenAtMs, finished },
});
const late = (active: ReturnType<typeof replica>[], durable: number, writtenMiB: number, nowMs: number) => {
  const found = lagging(active, durable, writtenMiB * MiB, nowMs, limits);
  return found === undefined ? undefined : [active.indexOf(found.replica as never), found.why];
};

test("all in step: nobody goes", () => {
  expect(late([replica(5, 0), replica(5, 0), replica(5, 0)], 0, 5, 60_000)).toBeUndefined();
});

test("a client that pauses makes no replica late", () => {
  expect(late([replica(5, 0), replica(5, 0), replica(5, 0)], 0, 5, 3_600_000)).toBeUndefined();
});

test("8 MiB behind the other two", () => {
  expect(late([replica(10, 900), replica(2, 900), replica(11, 900)], 0, 12, 1_000)).toEqual([1, "behind"]);
  expect(late([replica(10, 900), replica(3, 900), replica(11, 900)], 0, 12, 1_000)).toBeUndefined();
});

test("2 s behind the other two", () => {
  expect(late([replica(5, 2_900), replica(4, 1_000), replica(5, 2_900)], 0, 5, 3_000)).toEqual([1, "slow"]);
  expect(late([replica(5, 2_900), replica(4, 1_001), replica(5, 2_900)], 0, 5, 3_000)).toBeUndefined();
});

test("two slow ones hold the client, as two are needed", () => {
  expect(late([replica(5, 2_900), replica(1, 0), replica(1, 0)], 0, 5, 3_000)).toBeUndefined();
});

test("of two, none is dropped for being behind, but one that takes nothing at all is", () => {
  expect(late([replica(10, 2_900), replica(1, 500)], 0, 10, 3_000)).toBeUndefined();
  expect(late([replica(10, 10_900), replica(1, 500)], 0, 10, 11_000)).toEqual([1, "stalled"]);
});

test("the last one may go when two are durable", () => {
  expect(late([replica(1, 500)], 2, 10, 3_000)).toEqual([0, "behind"]);
});
