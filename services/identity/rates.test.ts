import { Rates } from "./rates";

const minuteMs = 60_000;

test("sums grow with each report and carry what other processes counted", () => {
  const rates = new Rates({ maxSubjects: 10, nowMs: () => 5 * minuteMs });
  expect(rates.add([{ subject: "a", window: 5, requests: 2 }])).toEqual([
    { subject: "a", window: 5, requests: 2 },
  ]);
  rates.setOthers([{ subject: "a", window: 5, requests: 10 }]);
  expect(rates.add([{ subject: "a", window: 5, requests: 1 }])[0]?.requests).toBe(13);
  rates.setOthers([{ subject: "a", window: 5, requests: 11 }]);
  expect(rates.add([{ subject: "a", window: 5, requests: 0 }])[0]?.requests).toBe(14);
});

test("only what changed is passed on, once, and again when it could not be", () => {
  const rates = new Rates({ maxSubjects: 10, nowMs: () => 5 * minuteMs });
  rates.add([
    { subject: "a", window: 5, requests: 2 },
    { subject: "b", window: 5, requests: 0 },
  ]);
  const taken = rates.takeChanged(10);
  expect(taken).toEqual([{ subject: "a", window: 5, requests: 2 }]);
  expect(rates.takeChanged(10)).toEqual([]);
  rates.putBack(taken);
  expect(rates.takeChanged(10)).toEqual(taken);
});

test("minutes far from now and subjects beyond the bound are answered as reported and not kept", () => {
  let nowMs = 5 * minuteMs;
  const rates = new Rates({ maxSubjects: 1, nowMs: () => nowMs });
  const add = (subject: string, window: number) => rates.add([{ subject, window, requests: 2 }])[0]?.requests;
  expect([add("a", 5), add("a", 5)]).toEqual([2, 4]);
  expect([add("b", 5), add("b", 5)]).toEqual([2, 2]);
  expect([add("a", 9), add("a", 9)]).toEqual([2, 2]);
  expect([add("a", 6), add("a", 6)]).toEqual([2, 4]);
  nowMs = 8 * minuteMs;
  expect(rates.takeChanged(10)).toEqual([]);
  nowMs = 5 * minuteMs;
  expect(add("a", 5)).toBe(2);
});
