import { create } from "@bufbuild/protobuf";
import { type Copy, CopySchema, CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { planRepair } from "./repair-plan";

const { GOOD, BAD, CONDEMNED } = CopyState;
const volumes = ["a1", "b1", "c1", "d1"].map((volumeId) => ({
  volumeId,
  nodeId: volumeId[0] ?? "",
  zone: "",
  weight: 1,
}));
const pairs = (states: Record<string, CopyState>): Copy[] =>
  Object.entries(states).map(([volumeId, state]) => create(CopySchema, { blobId: "blob", volumeId, state }));
const plan = (states: Record<string, CopyState>, writable = volumes) =>
  planRepair("blob", pairs(states), writable, 3, (volumeId) =>
    volumeId.startsWith("x") ? undefined : { nodeId: volumeId[0] ?? "", zone: "" },
  );
const names = (targets: readonly { volumeId: string }[]) => targets.map((target) => target.volumeId).sort();

test("two good copies lack one, which goes to a node that has none", () => {
  const { missing, targets, good } = plan({ a1: GOOD, b1: GOOD });
  expect(missing).toBe(1);
  expect(names(targets)).toEqual(["c1", "d1"]);
  expect(good).toEqual(["a1", "b1"]);
});

test("three good copies on three nodes lack nothing", () => {
  expect(plan({ a1: GOOD, b1: GOOD, c1: GOOD }).missing).toBe(0);
});

test("two good copies on one node count once", () => {
  expect(plan({ a1: GOOD, a2: GOOD, b1: GOOD }).missing).toBe(1);
});

test("a bad copy's volume is no target", () => {
  const { missing, targets, bad } = plan({ a1: GOOD, b1: GOOD, c1: BAD });
  expect(missing).toBe(1);
  expect(names(targets)).toEqual(["d1"]);
  expect(bad).toEqual(["c1"]);
});

test("another volume of a bad copy's node is one", () => {
  const more = [...volumes.slice(0, 3), { volumeId: "c2", nodeId: "c", zone: "", weight: 1 }];
  expect(names(plan({ a1: GOOD, b1: GOOD, c1: BAD }, more).targets)).toEqual(["c2"]);
});

test("a condemned pair's volume comes last", () => {
  expect(plan({ a1: GOOD, b1: GOOD, c1: CONDEMNED }).targets.map((target) => target.volumeId)).toEqual([
    "d1",
    "c1",
  ]);
});

test("a good copy on a volume that nobody knows still counts", () => {
  expect(plan({ a1: GOOD, b1: GOOD, x1: GOOD }).missing).toBe(0);
});
