import fc from "fast-check";
import { newId } from "../common/ids/uuid";
import { type Candidate, placementOrder } from "./rendezvous";

function volume(name: string, options: Partial<Candidate> = {}): Candidate {
  return { volumeId: `volume-${name}`, nodeId: `node-${name}`, zone: "", weight: 1, ...options };
}

const volumesArbitrary = fc
  .uniqueArray(fc.tuple(fc.nat(30), fc.nat(9), fc.nat(3), fc.integer({ min: 1, max: 9 })), {
    selector: ([id]) => id,
    minLength: 1,
    maxLength: 20,
  })
  .map((rows) =>
    rows.map(([id, node, zone, weight]) => ({
      volumeId: `v${id}`,
      nodeId: `n${node}`,
      zone: zone === 0 ? "" : `z${zone}`,
      weight,
    })),
  );

test("no node is named twice, whatever the volumes", () => {
  fc.assert(
    fc.property(fc.uuid(), volumesArbitrary, (blobId, volumes) => {
      const nodes = placementOrder(blobId, volumes, 3).map((one) => one.nodeId);
      expect(new Set(nodes).size).toBe(nodes.length);
      expect(nodes.length).toBe(new Set(volumes.map((one) => one.nodeId)).size);
    }),
  );
});

test("the order does not depend on how the volumes were listed", () => {
  fc.assert(
    fc.property(fc.uuid(), volumesArbitrary, (blobId, volumes) => {
      expect(placementOrder(blobId, [...volumes].reverse(), 3)).toEqual(placementOrder(blobId, volumes, 3));
    }),
  );
});

test("a new volume takes blobs, and no blob moves between the old ones", () => {
  const before = ["a", "b", "c", "d", "e"].map((name) => volume(name));
  const after = [...before, volume("f")];
  let moved = 0;
  for (let index = 0; index < 2_000; index++) {
    const blobId = newId();
    const old = placementOrder(blobId, before, 3).slice(0, 3);
    const fresh = placementOrder(blobId, after, 3).slice(0, 3);
    const joined = fresh.filter((one) => !old.includes(one));
    if (joined.length > 0) moved++;
    expect(joined.every((one) => one.nodeId === "node-f")).toBe(true);
  }
  expect(moved).toBeGreaterThan(850);
  expect(moved).toBeLessThan(1_150);
});

test("a volume of three times the weight gets three times the blobs", () => {
  const volumes = [volume("small"), volume("large", { weight: 3 })];
  let large = 0;
  for (let index = 0; index < 4_000; index++) {
    if (placementOrder(newId(), volumes, 1)[0]?.volumeId === "volume-large") large++;
  }
  expect(large / 4_000).toBeGreaterThan(0.72);
  expect(large / 4_000).toBeLessThan(0.78);
});

test.each([
  ["three zones", ["x", "x", "y", "z", "z"], 3],
  ["two zones", ["x", "x", "x", "y", "y"], 2],
  ["one zone", ["x", "x", "x"], 1],
  ["no zones", ["", "", "", ""], 1],
])("copies lie in as many zones as there are: %s", (_, zones, different) => {
  const volumes = zones.map((zone, index) => volume(String(index), { zone }));
  for (let index = 0; index < 200; index++) {
    const chosen = placementOrder(newId(), volumes, 3).slice(0, 3);
    expect(chosen).toHaveLength(3);
    expect(new Set(chosen.map((one) => one.zone)).size).toBe(different);
  }
});

test("a volume without weight holds nothing", () => {
  expect(placementOrder(newId(), [volume("a", { weight: 0 }), volume("b")], 3)).toEqual([volume("b")]);
});
