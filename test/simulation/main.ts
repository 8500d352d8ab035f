import { fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Place, type RunResult, simulate } from "./run";

const usage = `npm run simulate -- [--seed N] [--seeds COUNT] [--steps M] [--jobs J] [--trace] [--faults KINDS] [--until-failure]

  --seed N       the first seed (default 1)
  --seeds COUNT  how many seeds, one after the other (default 1)
  --steps M      operations of all clients together in a run (default 60)
  --jobs J       processes that share the seeds (default 1)
  --digests      print a digest of each run: equal ones, equal runs
  --trace        print what happened in each run
  --faults A,B   these kinds of faults (nemesis.ts) in each run, instead of a random few
  --until-failure  end with the first seed that fails
`;

type Job = {
  readonly first: number;
  readonly count: number;
  readonly stride: number;
  readonly steps: number;
  readonly faults?: readonly string[] | undefined;
  readonly untilFailure?: boolean;
};

async function runJob(job: Job, tell: (result: RunResult) => void): Promise<void> {
  // Refusals are errors, and stacks cost more than what they tell; a single seed has them.
  if (job.count > 1) Error.stackTraceLimit = 0;
  const place = await Place.make();
  try {
    for (let at = 0; at < job.count; at++) {
      const { steps, faults } = job;
      const result = await simulate(place, { seed: job.first + at * job.stride, steps, faults });
      tell(result);
      if (job.untilFailure && result.failure !== undefined) break;
    }
  } finally {
    place.remove();
  }
}

function showFailure(result: RunResult, steps: number): void {
  const file = join(tmpdir(), `cairn-simulation-seed-${result.seed}.txt`);
  writeFileSync(file, `${result.trace.join("\n")}\n\n${result.failure}\n`);
  process.stdout.write(
    `\n${result.trace.slice(-60).join("\n")}\n\nseed ${result.seed} FAILED: ${result.failure}\n` +
      `whole trace: ${file}\nreplay: npm run simulate -- --seed ${result.seed} --steps ${steps}\n`,
  );
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: "string", default: "1" },
      seeds: { type: "string", default: "1" },
      steps: { type: "string", default: "60" },
      jobs: { type: "string", default: "1" },
      trace: { type: "boolean", default: false },
      digests: { type: "boolean", default: false },
      faults: { type: "string" },
      "until-failure": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const [seed, seeds, steps, jobs] = [values.seed, values.seeds, values.steps, values.jobs].map(Number) as [
    number,
    number,
    number,
    number,
  ];
  const options = {
    steps,
    faults: values.faults?.split(",").map((kind) => kind.trim()),
    untilFailure: values["until-failure"],
  };
  const struck = new Map<string, number>();
  const startedMs = process.hrtime.bigint();
  let [done, failed, acknowledged, events] = [0, 0, 0, 0];
  const tell = (result: RunResult) => {
    done += 1;
    acknowledged += result.acknowledged;
    events += result.events;
    for (const [kind, times] of Object.entries(result.struck))
      struck.set(kind, (struck.get(kind) ?? 0) + times);
    if (values.trace) process.stdout.write(`${result.trace.join("\n")}\n`);
    if (result.failure !== undefined) {
      failed += 1;
      showFailure(result, steps);
    }
    if (seeds === 1 || values.digests) process.stdout.write(`seed ${result.seed}: digest ${result.digest}\n`);
    else if (done % 500 === 0) process.stdout.write(`${done} of ${seeds} seeds, ${failed} failed\n`);
  };
  if (jobs === 1) await runJob({ first: seed, count: seeds, stride: 1, ...options }, tell);
  else await inProcesses(seed, seeds, options, jobs, tell);
  const seconds = Number(process.hrtime.bigint() - startedMs) / 1e9;
  const bound =
    failed === 0 && done > 0 ? `; 95 % bound on a failing seed: ${(300 / done).toPrecision(2)} %` : "";
  const kinds = [...struck].sort(([, a], [, b]) => b - a).map(([kind, times]) => `${kind} ${times}`);
  process.stdout.write(`faults: ${kinds.join(", ") || "none"}\n`);
  process.stdout.write(
    `${done} seeds of ${steps} steps, ${failed} failed, ${acknowledged} answers checked, ${events} events, ` +
      `${seconds.toFixed(1)} s${bound}\n`,
  );
  return failed === 0 && done === seeds ? 0 : 1;
}

function inProcesses(
  seed: number,
  seeds: number,
  options: Pick<Job, "steps" | "faults" | "untilFailure">,
  jobs: number,
  tell: (result: RunResult) => void,
): Promise<unknown> {
  return Promise.all(
    Array.from({ length: jobs }, (_, at) => {
      const count = Math.floor((seeds - at + jobs - 1) / jobs);
      const job: Job = { first: seed + at, count, stride: jobs, ...options };
      const child = fork(__filename, [], {
        env: { ...process.env, CAIRN_SIMULATION_JOB: JSON.stringify(job) },
      });
      child.on("message", (result) => tell(result as RunResult));
      return new Promise<void>((resolve) => child.on("close", () => resolve()));
    }),
  );
}

const given = process.env.CAIRN_SIMULATION_JOB;
const work =
  given === undefined
    ? main()
    : runJob(JSON.parse(given) as Job, (result) => {
        process.send?.(result.failure === undefined ? { ...result, trace: [] } : result);
      }).then(() => 0);
work.then(
  (code) => {
    process.exitCode = code;
    process.disconnect?.();
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = 1;
    process.disconnect?.();
  },
);
