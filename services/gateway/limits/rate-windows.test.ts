import { RateWindows, secondsToReset } from "./rate-windows";

const startMs = Date.UTC(2026, 0, 1);

test("a window counts up and begins anew with the minute", () => {
  const windows = new RateWindows();
  expect([windows.add("a", startMs), windows.add("a", startMs + 59_999), windows.add("b", startMs)]).toEqual([
    1, 2, 1,
  ]);
  expect(windows.add("a", startMs + 60_000)).toBe(1);
});

test("two gateways that report see each other's requests", () => {
  const [left, right] = [new RateWindows(), new RateWindows()];
  const sums = new Map<string, number>();
  const reconcile = (windows: RateWindows) => {
    const report = windows.takeReport(startMs);
    for (const { subject, requests } of report) sums.set(subject, (sums.get(subject) ?? 0) + requests);
    windows.takeSums(report.map((count) => ({ ...count, requests: sums.get(count.subject) ?? 0 })));
  };
  for (let i = 0; i < 30; i++) left.add("ip", startMs);
  for (let i = 0; i < 20; i++) right.add("ip", startMs);
  reconcile(left);
  reconcile(right);
  expect(right.add("ip", startMs)).toBe(51);
  left.add("ip", startMs);
  reconcile(left);
  expect(left.add("ip", startMs)).toBe(52);
});

test("only what is new is reported, and once more to hear what others counted meanwhile", () => {
  const windows = new RateWindows();
  windows.add("a", startMs);
  const window = BigInt(startMs / 60_000);
  expect(windows.takeReport(startMs)).toEqual([{ subject: "a", window, requests: 1 }]);
  expect(windows.takeReport(startMs)).toEqual([{ subject: "a", window, requests: 0 }]);
  expect(windows.takeReport(startMs)).toEqual([]);
});

test("the reset is the rest of the minute", () => {
  expect(secondsToReset(startMs)).toBe(60);
  expect(secondsToReset(startMs + 59_500)).toBe(1);
});
