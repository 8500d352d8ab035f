import { FailureLimit } from "./failure-limit";
import { failureSource } from "./source-address";

describe("the limit of failed authentications", () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  const monotonicMs = () => Date.now();

  test("a source waits for the rest of the minute, and is told how long", async () => {
    const limit = new FailureLimit({ perMinute: 2, monotonicMs });
    await limit.note("192.0.2.1");
    await limit.check("192.0.2.1");
    await limit.note("192.0.2.1");
    jest.advanceTimersByTime(20_000);
    await expect(limit.check("192.0.2.1")).rejects.toMatchObject({
      reason: "TOO_MANY_FAILURES",
      params: { retry_after_seconds: "40" },
    });
    await limit.check("192.0.2.2");
    jest.advanceTimersByTime(40_000);
    await limit.check("192.0.2.1");
  });

  test("a flood of sources shares counters instead of taking memory, and leaves those that are known alone", async () => {
    const limit = new FailureLimit({ perMinute: 2, maxSources: 10, monotonicMs });
    for (let i = 0; i < 5_000; i++) await limit.note(`10.1.${i >> 8}.${i & 255}`);
    expect(jest.getTimerCount()).toBeLessThanOrEqual(10 + 4_096);
    await limit.check("10.1.0.3");
    await limit.note("10.1.0.3");
    await expect(limit.check("10.1.0.3")).rejects.toMatchObject({ reason: "TOO_MANY_FAILURES" });
    jest.advanceTimersByTime(120_000);
    expect(jest.getTimerCount()).toBe(0);
    await limit.note("192.0.2.7");
    await limit.check("192.0.2.7");
  });
});

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8:1:2::6", "2001:db8:1:2::/64"],
  ["2001:0DB8:0001:0002::", "2001:db8:1:2::/64"],
  ["2001:db8::6", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["64:ff9b::192.0.2.33", "64:ff9b:0:0::/64"],
  ["", ""],
])("failures from %s count under %s", (address, source) => {
  expect(failureSource(address)).toBe(source);
});
