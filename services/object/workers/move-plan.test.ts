import fc from "fast-check";
import { type Copy, CopyState } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { type Candidate, placementOrder } from "../rendezvous";
import { planDrain, planRebalance } from "./move-plan";

const copies = 3;
const pair = (volumeId: string, state = CopyState.GOOD) => ({ blobId: "b", volumeId, state }) as Copy;

/** Up to three zones, two disks a node at most, of different sizes. */
const clusters = fc
  .array(
    fc.record({
      zone: fc.nat(3),
      disks: fc.integer({ min: 1, max: 2 }),
      weight: fc.integer({ min: 1, max: 4 }),
    }),
    {
      minLength: 4,
      maxLength: 9,
    },
  )
  .map((nodes) =>
    nodes.flatMap(({ zone, disks, weight }, node) =>
      Array.from(
        { length: disks },
        (_, disk): Candidate => ({
          volumeId: `volume-${node}-${disk}`,
          nodeId: `node-${node}`,
          zone: zone === 3 ? "" : `zone-${zone}`,
          weight,
        }),
      ),
    ),
  );

const wantedOf = (blobId: string, volumes: readonly Candidate[]) =>
  placementOrder(blobId, volumes, copies)
    .slice(0, copies)
    .map((volume) => volume.volumeId);

test("a rebalance moves exactly what changed its place, a copy at a time, never below the copies there were", () => {
  fc.assert(
    fc.property(clusters, fc.nat(), fc.uuid(), (volumes, index, blobId) => {
      const joined = volumes[index % volumes.length] as Candidate;
      const before = volumes.filter((volume) => volume !== joined);
      const placeOf = (volumeId: string) => volumes.find((volume) => volume.volumeId === volumeId);
      const nodesOf = (held: readonly string[]) =>
        new Set(held.map((volumeId) => placeOf(volumeId)?.nodeId)).size;
      let held = wantedOf(blobId, before);
      fc.pre(nodesOf(held) === copies);
      const wanted = wantedOf(blobId, volumes);
      const demanded = wanted.filter((volumeId) => !held.includes(volumeId)).length;
      let moves = 0;
      for (;;) {
        const move = planRebalance(
          blobId,
          held.map((volumeId) => pair(volumeId)),
          volumes,
          copies,
          placeOf,
        );
        if (move === undefined) break;
        moves++;
        expect(moves).toBeLessThanOrEqual(demanded);
        held = held.filter((volumeId) => volumeId !== move.from).concat(move.to?.volumeId ?? []);
        expect(nodesOf(held)).toBe(copies);
      }
      expect(moves).toBe(demanded);
      expect([...held].sort()).toEqual([...wanted].sort());
    }),
    { numRuns: 500 },
  );
});

test("a blob below its copies is left to repair; one above them gives up what is not wanted", () => {
  const volumes = ["a", "b", "c", "d"].map(
    (id): Candidate => ({ volumeId: id, nodeId: id, zone: "", weight: 1 }),
  );
  const placeOf = (volumeId: string) => volumes.find((volume) => volume.volumeId === volumeId);
  const wanted = wantedOf("b", volumes);
  const surplus = volumes.find((volume) => !wanted.includes(volume.volumeId))?.volumeId ?? "";
  expect(planRebalance("b", [pair("a"), pair("b")], volumes, copies, placeOf)).toBeUndefined();
  const four = volumes.map((volume) => pair(volume.volumeId));
  expect(planRebalance("b", four, volumes, copies, placeOf)).toEqual({ from: surplus, to: undefined });
});

test("a condemned pair is not named again by a move", () => {
  const volumes = ["a", "b", "c", "d"].map(
    (id): Candidate => ({ volumeId: id, nodeId: id, zone: "", weight: 1 }),
  );
  const placeOf = (volumeId: string) => volumes.find((volume) => volume.volumeId === volumeId);
  const [first = "", second = "", third = ""] = wantedOf("b", volumes);
  const other = volumes.find((volume) => ![first, second, third].includes(volume.volumeId))?.volumeId ?? "";
  const pairs = [pair(second), pair(third), pair(other), pair(first, CopyState.CONDEMNED)];
  expect(planRebalance("b", pairs, volumes, copies, placeOf)).toBeUndefined();
  expect(
    planDrain(
      "b",
      pairs,
      other,
      volumes.filter((v) => v.volumeId !== other),
      copies,
      placeOf,
    ),
  ).toBeUndefined();
});

test("what leaves a volume keeps its zones apart while there is one that holds no copy", () => {
  fc.assert(
    fc.property(fc.uuid(), fc.nat(2), (blobId, leaving) => {
      const volumes = [0, 1, 2].flatMap((zone) =>
        [0, 1].map(
          (node): Candidate => ({
            volumeId: `v-${zone}-${node}`,
            nodeId: `n-${zone}-${node}`,
            zone: `z-${zone}`,
            weight: 1,
          }),
        ),
      );
      const placeOf = (volumeId: string) => volumes.find((volume) => volume.volumeId === volumeId);
      const held = wantedOf(blobId, volumes);
      const from = held[leaving] ?? "";
      const writable = volumes.filter((volume) => volume.volumeId !== from);
      const move = planDrain(
        blobId,
        held.map((volumeId) => pair(volumeId)),
        from,
        writable,
        copies,
        placeOf,
      );
      expect(move?.to?.zone).toBe(placeOf(from)?.zone);
    }),
  );
});
