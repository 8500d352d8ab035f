import { absent, closed, type Effect, type Entry, unknown } from "./history";
import { unexplained } from "./linearizable";

const never = Number.POSITIVE_INFINITY;
const entry = (invokedAt: number, returnedAt: number, effect: Effect): Entry => ({
  invokedAt,
  returnedAt,
  effect,
  told: "",
});
const read = (value: string): Effect => ({ kind: "read", value });
const write = (value: string): Effect => ({ kind: "write", value });
const copyIfAbsent: Effect = { kind: "write", value: unknown, when: { is: "absent" } };
const deletePresent: Effect = { kind: "write", value: absent, when: { is: "present" } };
const create = (value: string): Effect => ({ kind: "write", value, when: { is: "absent" } });

const explained: readonly [string, Entry[]][] = [
  ["a write, then its read", [entry(1, 2, write("a")), entry(3, 4, read("a"))]],
  ["a read beside a write sees the old or the new", [entry(1, 9, write("a")), entry(2, 3, read(absent))]],
  [
    "a write without an answer may have happened late",
    [entry(1, never, write("a")), entry(2, 3, read(absent)), entry(8, 9, read("a"))],
  ],
  ["a write without an answer may never happen", [entry(1, never, write("a")), entry(2, 3, read(absent))]],
  [
    "of two conditional writers one is refused",
    [entry(1, 5, create("a")), entry(2, 6, { kind: "refused", when: { is: "absent" } })],
  ],
  [
    "a copy without an answer that was deleted before anybody read it",
    [entry(1, never, copyIfAbsent), entry(2, 3, deletePresent), entry(4, 5, read(absent))],
  ],
  [
    "a copy without an answer made what a later condition names",
    [
      entry(1, never, copyIfAbsent),
      entry(2, 3, { kind: "write", value: "b", when: { is: "value", value: "a" } }),
      entry(4, 5, read("b")),
    ],
  ],
  [
    "a copy without an answer makes another's condition fail",
    [entry(1, never, copyIfAbsent), entry(2, 3, { kind: "refused", when: { is: "absent" } })],
  ],
  ["what is deleted with its bucket is gone", [entry(1, 2, create(closed)), entry(3, 4, read(closed))]],
];
test.each(explained)("%s", (_, entries) => {
  expect(unexplained(entries)).toBeUndefined();
});

const inexplicable: readonly [string, Entry[]][] = [
  ["a lost write", [entry(1, 2, write("a")), entry(3, 4, read(absent))]],
  ["a write undone", [entry(1, 2, write("a")), entry(3, 4, write("b")), entry(5, 6, read("a"))]],
  [
    "two reads that disagree on the order",
    [entry(1, 9, write("a")), entry(2, 3, read("a")), entry(4, 5, read(absent))],
  ],
  ["two winners of one race", [entry(1, 5, create("a")), entry(2, 6, create("b"))]],
  [
    "a write without an answer that happens twice",
    [entry(1, never, write("a")), entry(2, 3, write("b")), entry(4, 5, read("a")), entry(6, 7, read("b"))],
  ],
  [
    "a copy without an answer that deleted something",
    [entry(1, never, { kind: "write", value: unknown }), entry(2, 3, write("a")), entry(4, 5, read(absent))],
  ],
  [
    "a copy without an answer that happens twice",
    [
      entry(1, never, copyIfAbsent),
      entry(2, 3, deletePresent),
      entry(4, 5, deletePresent),
      entry(6, 7, read(absent)),
    ],
  ],
  [
    "a copy without an answer that is read as two values",
    [entry(1, never, copyIfAbsent), entry(2, 3, read("a")), entry(4, 5, read("b"))],
  ],
  [
    "a copy without an answer over what is there",
    [entry(1, 2, write("a")), entry(3, never, copyIfAbsent), entry(4, 5, read("b"))],
  ],
  ["a delete of nothing that was written", [entry(1, 2, deletePresent)]],
  ["a write into a bucket that is gone", [entry(1, 2, create(closed)), entry(3, 4, write("a"))]],
];
test.each(inexplicable)("caught: %s", (_, entries) => {
  expect(unexplained(entries)).toBeDefined();
});

test("forty concurrent operations are searched in no time", () => {
  const entries = Array.from({ length: 40 }, (_, at) =>
    entry(at, at + 8, at % 2 === 0 ? write(`${at}`) : read(`${at - 1}`)),
  );
  expect(unexplained(entries)).toBeUndefined();
});
