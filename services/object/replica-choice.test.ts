import { CopyState } from "../../gen/cairn/metadata/v1/metadata_pb";
import { readOrder } from "./replica-choice";

const copy = (volumeId: string, state: CopyState, alive: boolean, avoided: boolean) => ({
  volumeId,
  state,
  alive,
  avoided,
});

test("healthy, then slow, then dead, then bad; never condemned", () => {
  const copies = [
    copy("bad", CopyState.BAD, true, false),
    copy("condemned", CopyState.CONDEMNED, true, false),
    copy("dead", CopyState.GOOD, false, false),
    copy("slow", CopyState.GOOD, true, true),
    copy("healthy", CopyState.GOOD, true, false),
  ];
  expect(readOrder(copies, () => 0.999).map((one) => one.volumeId)).toEqual([
    "healthy",
    "slow",
    "dead",
    "bad",
  ]);
});

test("equal copies share the load", () => {
  const copies = ["a", "b", "c"].map((id) => copy(id, CopyState.GOOD, true, false));
  const firsts = new Map<string, number>();
  for (let index = 0; index < 3_000; index++) {
    const first = readOrder(copies, Math.random)[0]?.volumeId ?? "";
    firsts.set(first, (firsts.get(first) ?? 0) + 1);
  }
  for (const count of firsts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(200);
  expect(firsts.size).toBe(3);
});
