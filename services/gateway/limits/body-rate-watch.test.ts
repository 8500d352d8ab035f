import type { CairnError } from "../../common/errors/cairn-error";
import { silentLogger } from "../../common/log/logger";
import { ManualClock } from "../../common/time/manual-clock";
import { BodyRateWatch } from "./body-rate-watch";

async function advance(clock: ManualClock, seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i++) {
    clock.advance(1000);
    await new Promise(setImmediate);
  }
}

function body(bytesPerSecond: () => number, waiting = true) {
  const errors: CairnError[] = [];
  return {
    waiting,
    get receivedBytes() {
      return bytesPerSecond();
    },
    fail: (error: CairnError) => errors.push(error),
    errors,
  };
}

test("a client below the rate is given up, one above it and one that we keep waiting are not", async () => {
  const clock = new ManualClock();
  const startMs = clock.monotonicMs();
  const seconds = () => (clock.monotonicMs() - startMs) / 1000;
  const watch = new BodyRateWatch({ minBytesPerSecond: 1000, windowMs: 10_000, clock, log: silentLogger });
  const slow = body(() => seconds() * 900);
  const fast = body(() => seconds() * 1100);
  const ours = body(() => 0, false);
  for (const watched of [slow, fast, ours]) watch.add(watched);
  await new Promise(setImmediate);
  await advance(clock, 9);
  expect(slow.errors).toEqual([]);
  await advance(clock, 13);
  expect(slow.errors[0]).toMatchObject({ reason: "BODY_TOO_SLOW" });
  expect(fast.errors).toEqual([]);
  expect(ours.errors).toEqual([]);
  await watch.close();
});
