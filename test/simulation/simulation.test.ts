import { execFileSync } from "node:child_process";
import { join } from "node:path";

/** CAIRN_SIMULATED_SEEDS=2000 is what .ci/run does by itself; each run of the suite has a few. */
const seeds = Number(process.env.CAIRN_SIMULATED_SEEDS ?? 20);
const root = join(__dirname, "../..");

beforeAll(() => {
  execFileSync(process.execPath, [join(__dirname, "build.mjs")], { cwd: root });
});

function simulate(...args: string[]): string {
  return execFileSync(process.execPath, [join(root, "dist/simulate.js"), ...args], { encoding: "utf8" });
}

test(
  `${seeds} seeds: nothing acknowledged is lost or wrong, every history has an order, everything heals`,
  () => {
    const told = simulate("--seed", "1", "--seeds", `${seeds}`, "--steps", "40");
    expect(told).toMatch(new RegExp(`${seeds} seeds of 40 steps, 0 failed`));
  },
  30_000 + seeds * 2_000,
);

test("a seed replays exactly, whatever was run before it in the same process", () => {
  const digests = (...args: string[]) =>
    new Map(
      [...simulate(...args).matchAll(/seed (\d+): digest (\S+)/g)].map(([, seed, digest]) => [seed, digest]),
    );
  const together = digests("--seed", "40", "--seeds", "4", "--steps", "30", "--digests");
  expect(together.size).toBe(4);
  for (const [seed, digest] of together)
    expect(digests("--seed", `${seed}`, "--steps", "30").get(seed)).toBe(digest);
});
