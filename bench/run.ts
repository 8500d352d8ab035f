import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { allCases, type Case, makeBucket } from "./cases";
import { type LoadResult, runLoad } from "./load";
import { median } from "./percentiles";
import { describeProfile, nowMicroseconds, type Span } from "./profile";
import { table, verdict } from "./table";
import { runningTarget, startTarget, type Target } from "./target";

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

type Measured = {
  readonly target: Target;
  readonly rounds: LoadResult[];
  readonly spans: Span[];
  /** CPU time of each round, in microseconds an operation; NaN where nobody tells. */
  readonly cpu: number[];
};
type Outcome = { readonly case: Case; readonly byName: ReadonlyMap<string, Measured> };

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
  const cases = chosenCases(flags.only);
  const rounds = Number(flags.rounds ?? (flags.quick ? 3 : 5));
  const folder = mkdtempSync(join(resolve(flags.folder ?? tmpdir()), "cairn-bench-"));
  // Outside of the folder that is removed: the profile is for a closer look afterwards.
  const profileFolder = flags.profile ? mkdtempSync(join(tmpdir(), "cairn-profile-")) : "";
  const bundle = resolve(__dirname, "..", "cairn.js");
  const targets: Target[] = [];
  const stopAll = async () => {
    for (const target of targets.splice(0)) await target.stop();
  };
  // The servers are processes of their own, and would outlive a bench that is broken off.
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      void stopAll().finally(() => {
        rmSync(folder, { recursive: true, force: true });
        process.exit(130);
      });
    });
  }
  try {
    const key = flags.key ?? `s3_key_${randomBytes(32).toString("hex")}`;
    const env = { ADMIN_API_KEY: key, RATE_LIMIT: "0", LOG_LEVEL: flags["log-level"], LOG_FORMAT: "json" };
    const prof = flags.profile
      ? ["--cpu-prof", "--cpu-prof-interval=500", `--cpu-prof-dir=${profileFolder}`]
      : [];
    if (cases.some(({ floorGoal }) => floorGoal !== undefined)) {
      targets.push(
        await startTarget({
          name: "floor",
          args: [resolve(__dirname, "floor.js"), folder],
          folder,
          // As many threads for the disk as the store gives itself.
          env: { UV_THREADPOOL_SIZE: "20" },
        }),
      );
    }
    targets.push(
      flags.url === undefined
        ? await startTarget({
            name: "cairn",
            args: [...prof, bundle, "serve", "--data", join(folder, "embedded"), "--port", "0"],
            folder,
            env,
            key,
          })
        : runningTarget("cairn", new URL(flags.url), key),
    );
    if (flags.split) {
      const data = join(folder, "split");
      // As root, PostgreSQL runs as a user of its own, who must get through; the stores' own folders stay closed.
      mkdirSync(data);
      for (const each of [folder, data]) chmodSync(each, 0o711);
      targets.push(
        await startTarget({ name: "split", args: [bundle, "split", "--data", data], folder, env, key }),
      );
    }
    for (const target of targets) await makeBucket(target);
    const outcomes: Outcome[] = [];
    for (const one of cases) outcomes.push(await measure(one, targets, rounds, flags.quick));
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
      process.stdout.write(`\n${describeProfile(profileFolder, bundle, spans)}`);
      process.stdout.write(`\nThe whole profile, for a browser's developer tools: ${profileFolder}\n`);
    }
    if (outcomes.some(({ byName }) => [...byName.values()].some(hasErrors))) process.exitCode = 1;
  } finally {
    await stopAll();
    rmSync(folder, { recursive: true, force: true });
  }
}

function chosenCases(only: string | undefined): readonly Case[] {
  const all = allCases();
  if (only === undefined) return all;
  return only.split(",").map((name) => {
    const found = all.find((one) => one.name === name.trim());
    if (found === undefined) throw new Error(`There is no case ${name}.\n\n${usage}`);
    return found;
  });
}

/** Measures one case on all targets by turns, so that what else the machine does meets all of them. */
async function measure(
  one: Case,
  targets: readonly Target[],
  rounds: number,
  quick: boolean,
): Promise<Outcome> {
  const measured = targets
    .filter(({ name }) => (name === "floor" ? one.floorGoal !== undefined : true))
    .map((target): Measured => ({ target, rounds: [], spans: [], cpu: [] }));
  for (const { target } of measured) await one.prepare(target);
  for (let round = 1; round <= rounds; round += 1) {
    const order = round % 2 === 0 ? [...measured].reverse() : measured;
    for (const { target, rounds: results, spans, cpu } of order) {
      const cpuBefore = target.cpuMicroseconds() ?? Number.NaN;
      const from = nowMicroseconds();
      const result = await runLoad({
        url: target.url,
        concurrency: one.concurrency,
        // A large body takes seconds: a request of the warm-up would reach far into the measured time.
        warmUpMs: one.large ? 0 : quick ? 500 : 1000,
        durationMs: one.large ? (quick ? 3000 : 5000) : quick ? 2000 : 5000,
        step: one.steps(target, round),
      });
      results.push(result);
      spans.push({ from, to: nowMicroseconds() });
      cpu.push(((target.cpuMicroseconds() ?? Number.NaN) - cpuBefore) / result.requests);
      if (result.errors === 0) await one.verify?.(target, round);
      process.stderr.write(
        `${one.name} ${target.name} ${round}/${rounds}: ${figure(one, result)}${trouble(result)}\n`,
      );
    }
  }
  return { case: one, byName: new Map(measured.map((each) => [each.target.name, each])) };
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
  const errors = outcomes
    .flatMap(({ case: one, byName }) =>
      [...byName.values()].flatMap(({ target, rounds: results }) =>
        results
          .filter((result) => result.errors > 0)
          .map((result) => `${one.name} ${target.name}${trouble(result)}`),
      ),
    )
    .join("\n");
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
  return `\nMedian of ${rounds} rounds; ratios are medians of the rounds' ratios. CPU is that of all the target's processes, an operation: first the left column's, then the right one's.\n\n${table(heading, rows)}\n${
    errors === "" ? "Every answer was right.\n" : `WRONG ANSWERS\n${errors}\n`
  }`;
}

/** The median of the ratios of rounds that ran side by side: what slows the machine slows both. */
function ratioOf(one: Case, above: Measured, below: Measured): number {
  return median(
    above.rounds.map((result, index) => {
      const other = below.rounds[index];
      return other === undefined ? Number.NaN : speedOf(one, result) / speedOf(one, other);
    }),
  );
}

function medianOf(measured: Measured, field: "p50Ms" | "p95Ms" | "p99Ms"): number {
  return median(measured.rounds.map((result) => result[field]));
}

function timesOf(measured: Measured): string[] {
  return (["p50Ms", "p95Ms", "p99Ms"] as const).map((field) => medianOf(measured, field).toFixed(1));
}

function cpuOf(measured: Measured | undefined): string {
  const cpu = measured === undefined ? Number.NaN : median(measured.cpu);
  return Number.isNaN(cpu) ? "" : cpu.toFixed(0);
}

function speedOf(one: Case, result: LoadResult): number {
  return one.large ? result.bytesPerSecond : result.perSecond;
}

function rate(one: Case, speed: number): string {
  return one.large ? `${(speed / 1e6).toFixed(0)} MB/s` : `${speed.toFixed(0)}/s`;
}

function figure(one: Case, result: LoadResult): string {
  return `${rate(one, speedOf(one, result))}, p50 ${result.p50Ms.toFixed(1)} ms, p99 ${result.p99Ms.toFixed(1)} ms`;
}

function trouble(result: LoadResult): string {
  return result.errors === 0 ? "" : `, ${result.errors} WRONG: ${result.firstError}`;
}

function hasErrors({ rounds }: Measured): boolean {
  return rounds.some(({ errors }) => errors > 0);
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
