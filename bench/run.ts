import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Case, makeBucket } from "./case-kinds";
import { allCases } from "./cases";
import { chosenByName } from "./chosen";
import { bearer } from "./dialect";
import {
  cpuOf,
  hasErrors,
  type Measured,
  measure,
  medianOf,
  type Outcome,
  rate,
  ratioOf,
  speedOf,
  timesOf,
  wrongAnswers,
} from "./measure";
import { median } from "./percentiles";
import { describeProfile } from "./profile";
import { newAdminKey, startEmbedded, startFloor, startSplit, storeBundle } from "./stores";
import { table, verdict } from "./table";
import { runningTarget, type Target } from "./target";
import { inWorkplace, runTool } from "./workplace";

const usage = `npm run bench -- [options]

  --quick            three short rounds instead of five
  --only a,b         some cases: ${allCases()
    .map(({ name }) => name)
    .join(", ")}
  --rounds N         so many rounds
  --split            also measure \`cairn split\`, as a ratio to the embedded store
  --url URL --key K  measure a store that runs already, in place of an embedded one
  --profile          run the store under node --cpu-prof and print where its time goes (best with --only)
  --folder DIR       where floor and store keep their files, on the disk that is to be measured
  --log-level L      of the store; info is its default and writes a line a request
`;

const splitGoal = 0.2;

async function main(): Promise<void> {
  const { values: flags } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      rounds: { type: "string" },
      split: { type: "boolean", default: false },
      url: { type: "string" },
      key: { type: "string" },
      profile: { type: "boolean", default: false },
      folder: { type: "string" },
      "log-level": { type: "string", default: "info" },
      help: { type: "boolean", default: false },
    },
  });
  if (flags.help) return void process.stdout.write(usage);
  const cases = chosenByName(allCases(), ({ name }) => name, flags.only);
  const rounds = Number(flags.rounds ?? (flags.quick ? 3 : 5));
  // Outside of the folder that is removed: the profile is for a closer look afterwards.
  const profileFolder = flags.profile ? mkdtempSync(join(tmpdir(), "cairn-profile-")) : "";
  await inWorkplace(flags.folder, async ({ folder, keep, stopAll }) => {
    const key = flags.key ?? newAdminKey();
    const store = { folder, key, logLevel: flags["log-level"] };
    const nodeArgs = flags.profile
      ? ["--cpu-prof", "--cpu-prof-interval=500", `--cpu-prof-dir=${profileFolder}`]
      : [];
    const targets: Target[] = [];
    if (cases.some(hasFloor)) targets.push(keep(await startFloor(folder)));
    targets.push(
      keep(
        flags.url === undefined
          ? await startEmbedded({ ...store, nodeArgs })
          : runningTarget("cairn", new URL(flags.url), bearer(key)),
      ),
    );
    if (flags.split) targets.push(keep(await startSplit(store)));
    for (const target of targets) await makeBucket(target);
    const outcomes: Outcome[] = [];
    for (const one of cases) {
      const asked = targets.filter(({ name }) => name !== "floor" || hasFloor(one));
      outcomes.push(await measure(one, asked, rounds, flags.quick));
    }
    const memory = targets.map(({ name, peakMemoryMiB }) => ({ name, mib: peakMemoryMiB() }));
    await stopAll();
    process.stdout.write(report(outcomes, rounds));
    for (const { name, mib } of memory) {
      if (mib !== undefined && name !== "split") {
        process.stdout.write(`Peak memory of ${name}: ${mib.toFixed(0)} MiB\n`);
      }
    }
    if (flags.profile) {
      const spans = outcomes.flatMap(({ byName }) => byName.get("cairn")?.spans ?? []);
      process.stdout.write(`\n${describeProfile(profileFolder, storeBundle, spans)}`);
      process.stdout.write(`\nThe whole profile, for a browser's developer tools: ${profileFolder}\n`);
    }
    if (outcomes.some(({ byName }) => [...byName.values()].some(hasErrors))) process.exitCode = 1;
  });
}

function hasFloor({ floorGoal }: Case): boolean {
  return floorGoal !== undefined;
}

function report(outcomes: readonly Outcome[], rounds: number): string {
  const rows: string[][] = [];
  for (const { case: one, byName } of outcomes) {
    const cairn = byName.get("cairn");
    if (cairn === undefined) continue;
    const floor = byName.get("floor");
    const shared = [`${one.title}, ${one.concurrency} clients`];
    const times = timesOf(cairn);
    const speed = (each: Measured | undefined) =>
      each === undefined ? "" : rate(one, median(each.rounds.map((result) => speedOf(one, result))));
    const common = [...shared, speed(floor), speed(cairn), ...times, cpuOf(floor), cpuOf(cairn)];
    if (floor !== undefined && one.floorGoal !== undefined) {
      const ratio = ratioOf(one, cairn, floor);
      rows.push([...common, ratio.toFixed(2), `≥ ${one.floorGoal}`, verdict(ratio >= one.floorGoal)]);
    }
    if (one.guide !== undefined) {
      const { leastPerSecond, mostMedianMs } = one.guide;
      const perSecond = median(cairn.rounds.map((result) => result.perSecond));
      const p50 = medianOf(cairn, "p50Ms");
      rows.push([...common, "", `p50 ≤ ${mostMedianMs} ms`, verdict(p50 <= mostMedianMs)]);
      if (leastPerSecond !== undefined) {
        rows.push([...common, "", `≥ ${leastPerSecond}/s`, verdict(perSecond >= leastPerSecond)]);
      }
    }
    const split = byName.get("split");
    if (split !== undefined) {
      const ratio = ratioOf(one, split, cairn);
      rows.push([
        `  split ÷ embedded`,
        speed(cairn),
        speed(split),
        ...timesOf(split),
        cpuOf(cairn),
        cpuOf(split),
        ratio.toFixed(2),
        `≥ ${splitGoal}`,
        verdict(ratio >= splitGoal),
      ]);
    }
  }
  const heading = [
    "case",
    "floor",
    "cairn",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "CPU µs",
    "CPU µs",
    "ratio",
    "goal",
    "",
  ];
  return `\nMedian of ${rounds} rounds; ratios are medians of the rounds' ratios. CPU is that of all the target's processes, an operation: first the left column's, then the right one's.\n\n${table(heading, rows)}\n${wrongAnswers(outcomes)}`;
}

runTool("bench", main);
