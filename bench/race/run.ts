import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { makeBucket } from "../case-kinds";
import { chosenByName } from "../chosen";
import {
  hasErrors,
  type Measured,
  measure,
  medianOf,
  type Outcome,
  rate,
  ratioOf,
  speedOf,
  wrongAnswers,
} from "../measure";
import { median } from "../percentiles";
import { newAdminKey, startEmbedded, startFloor } from "../stores";
import { table, verdict } from "../table";
import { inWorkplace, runTool } from "../workplace";
import { startMinio } from "./minio";
import { memoryGoalMiB, type RaceCase, raceCases } from "./race-cases";

const usage = `npm run bench:race -- --minio PATH [options]

  --minio PATH       the program of MinIO, made by: go install github.com/minio/minio@latest
  --quick            shorter rounds
  --only a,b         some cases: ${raceCases(1, true)
    .map(({ case: { name } }) => name)
    .join(", ")}
  --rounds N         so many rounds (3)
  --floor            also the floor of \`npm run bench\`, and Cairn's ratio to it
  --folder DIR       where all of them keep their files
`;

async function main(): Promise<void> {
  const { values: flags } = parseArgs({
    options: {
      minio: { type: "string" },
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      rounds: { type: "string", default: "3" },
      floor: { type: "boolean", default: false },
      folder: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (flags.help) return void process.stdout.write(usage);
  if (flags.minio === undefined || !existsSync(flags.minio)) {
    const reason =
      flags.minio === undefined ? "no --minio PATH was given" : `there is nothing at ${flags.minio}`;
    return void process.stdout.write(`The race was skipped: ${reason}.\n\n${usage}`);
  }
  const program = resolve(flags.minio);
  const rounds = Number(flags.rounds);
  const cases = chosenByName(raceCases(rounds, flags.quick), ({ case: one }) => one.name, flags.only);
  await inWorkplace(flags.folder, async ({ folder, keep, stopAll }) => {
    const cairn = keep(await startEmbedded({ folder, key: newAdminKey() }));
    const minio = keep(await startMinio(program, folder));
    const floor = flags.floor ? keep(await startFloor(folder)) : undefined;
    const rivals = [cairn, minio];
    for (const target of rivals) await makeBucket(target);
    const outcomes: Outcome[] = [];
    for (const { case: one, hasFloor } of cases) {
      const asked = floor !== undefined && hasFloor ? [...rivals, floor] : rivals;
      outcomes.push(await measure(one, asked, rounds, flags.quick));
    }
    const memory = rivals.map(({ peakMemoryMiB }) => peakMemoryMiB());
    await stopAll();
    process.stdout.write(report(cases, outcomes, rounds, memory));
    if (outcomes.some(({ byName }) => [...byName.values()].some(hasErrors))) process.exitCode = 1;
  });
}

function report(
  cases: readonly RaceCase[],
  outcomes: readonly Outcome[],
  rounds: number,
  [cairnMiB, minioMiB]: readonly (number | undefined)[],
): string {
  const rows = outcomes.map(({ case: one, byName }, index) => {
    const [cairn, minio, floor] = ["cairn", "minio", "floor"].map((name) => byName.get(name));
    const goal = cases[index]?.goal ?? Number.NaN;
    if (cairn === undefined || minio === undefined) return [one.title];
    const speed = ({ rounds: results }: Measured) =>
      rate(one, median(results.map((result) => speedOf(one, result))));
    const ratio = ratioOf(one, cairn, minio);
    return [
      `${one.title}, ${one.concurrency} clients`,
      speed(minio),
      ...timesBeside(minio),
      speed(cairn),
      ...timesBeside(cairn),
      ratio.toFixed(2),
      `≥ ${goal}`,
      verdict(ratio >= goal),
      floor === undefined ? "" : ratioOf(one, cairn, floor).toFixed(2),
    ];
  });
  const mib = (value: number | undefined) => (value === undefined ? "?" : `${value.toFixed(0)} MiB`);
  rows.push([
    "memory at the peak",
    mib(minioMiB),
    "",
    "",
    mib(cairnMiB),
    "",
    "",
    "",
    `≤ ${memoryGoalMiB} MiB`,
    cairnMiB === undefined ? "" : verdict(cairnMiB <= memoryGoalMiB),
  ]);
  const heading = ["case", "MinIO", "p50 ms", "p99 ms", "Cairn", "p50 ms", "p99 ms", "ratio", "goal", ""];
  return `\nMedian of ${rounds} rounds by turns; ratios are medians of the rounds' ratios. MinIO: four drives, EC:2, SigV4. Cairn: embedded, three copies, Bearer key.\n\n${table([...heading, "÷ floor"], rows)}\n${wrongAnswers(outcomes)}`;
}

function timesBeside(measured: Measured): string[] {
  return (["p50Ms", "p99Ms"] as const).map((field) => medianOf(measured, field).toFixed(1));
}

runTool("bench:race", main);
