import { ManualClock } from "../common/time/manual-clock";
import { describeProgress, ProgressLine } from "./progress-line";

test.each([
  [0, 0, 0, "0 B of 0 B (100 %), 0 B/s"],
  [512, 2_048, 1_000, "512 B of 2.0 KiB (25 %), 512 B/s, 3 s left"],
  [3 * 1024 ** 3, 12 * 1024 ** 3, 60_000, "3.0 GiB of 12.0 GiB (25 %), 51.2 MiB/s, 3 min left"],
  [1024 ** 4, 100 * 1024 ** 4, 3_600_000, "1.0 TiB of 100.0 TiB (1 %), 291.3 MiB/s, 99.0 h left"],
  [10, 10, 500, "10 B of 10 B (100 %), 20 B/s"],
])("%d of %d after %d ms reads: %s", (done, total, tookMs, text) => {
  expect(describeProgress(done, total, tookMs)).toBe(text);
});

test("a log gets a line every ten seconds and the end once; a terminal one line that is rewritten", () => {
  const clock = new ManualClock();
  for (const [isTTY, lines] of [
    [false, 5],
    [true, 41],
  ] as const) {
    const written: string[] = [];
    const line = new ProgressLine("copy", { isTTY, write: (text) => written.push(text) }, clock);
    for (let second = 0; second < 40; second++) {
      line.bytes(second, 40);
      line.bytes(second, 40);
      clock.advance(1_000);
    }
    line.bytes(40, 40);
    line.bytes(40, 40);
    expect(written).toHaveLength(lines);
    expect(written.every((text) => text.startsWith(isTTY ? "\r" : "copy: "))).toBe(true);
    line.end();
    line.end();
    expect(written.length).toBe(isTTY ? lines + 1 : lines);
  }
});
