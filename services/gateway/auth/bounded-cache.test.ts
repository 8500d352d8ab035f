import { BoundedCache } from "./bounded-cache";

test("an entry lives until its time, and the one used longest ago makes room", () => {
  const cache = new BoundedCache<number>(2);
  cache.set("a", 1, 100);
  cache.set("b", 2, 100);
  expect(cache.get("a", 0)).toBe(1);
  cache.set("c", 3, 100);
  expect([cache.get("a", 99), cache.get("b", 99), cache.get("c", 99)]).toEqual([1, undefined, 3]);
  expect(cache.get("a", 100)).toBeUndefined();
});
