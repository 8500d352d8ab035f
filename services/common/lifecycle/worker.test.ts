import { silentLogger as log } from "../log/logger";
import type { Clock } from "../time/clock";
import { startWorker } from "./worker";

/** A clock that moves by what is slept and by what a step takes. */
function steppedClock() {
  const slept: number[] = [];
  let nowMs = 0;
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: async (ms) => {
      slept.push(ms);
      nowMs += ms;
    },
  };
  return { clock, slept, pass: (ms: number) => (nowMs += ms) };
}

/** Runs a worker for as many steps as there are answers; the last one closes it. */
async function sleepsOf(answers: readonly boolean[], share?: number): Promise<number[]> {
  const { clock, slept, pass } = steppedClock();
  const left = [...answers];
  await new Promise<void>((resolve) => {
    const worker = startWorker({
      name: "test",
      clock,
      log,
      idleMs: 1_000,
      ...(share === undefined ? {} : { share }),
      step: async () => {
        pass(10);
        const more = left.shift();
        if (more !== undefined) return more;
        void worker.close().then(resolve);
        return false;
      },
    });
  });
  return slept;
}

test("a worker goes on at once while more is waiting, and rests when nothing is", async () => {
  expect(await sleepsOf([true, true, false])).toEqual([1_000]);
});

test("one with a share of the time rests in proportion to what a step took", async () => {
  expect(await sleepsOf([true, true, false], 0.2)).toEqual([40, 40, 1_000]);
});
