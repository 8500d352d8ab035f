import { parseArgs } from "node:util";
import { hasErrors, measure, type Outcome } from "../measure";
import { newAdminKey } from "../stores";
import { inWorkplace, runTool } from "../workplace";
import { measureConnections } from "./connections";
import { type Filling, fewPrefix, growStore, manyPrefix, startGrown, startMs } from "./grown-store";
import { growthCases, prefixCase } from "./growth-cases";
import { report } from "./report";

const usage = `npm run bench:growth -- [options]

  --objects N        of the large store (1000000); ten million by hand
  --small N          of the small store (10000)
  --fill WAY         commands (names through the metadata service, objects without bytes) or puts
  --busy a,b         connections that all ask (1000,5000)
  --idle N           connections that do nothing (10000)
  --rounds N         so many rounds (3)
  --quick            shorter rounds
  --folder DIR       where the stores keep their files
`;

async function main(): Promise<void> {
  const { values: flags } = parseArgs({
    options: {
      objects: { type: "string", default: "1000000" },
      small: { type: "string", default: "10000" },
      fill: { type: "string", default: "commands" },
      busy: { type: "string", default: "1000,5000" },
      idle: { type: "string", default: "10000" },
      rounds: { type: "string", default: "3" },
      quick: { type: "boolean", default: false },
      folder: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (flags.help) return void process.stdout.write(usage);
  const rounds = Number(flags.rounds);
  const sizes = [Number(flags.small), Number(flags.objects)] as const;
  if (flags.fill !== "commands" && flags.fill !== "puts")
    throw new Error(`--fill ${flags.fill}?\n\n${usage}`);
  const filling: Filling = flags.fill;
  if (sizes[0] < 2000 || sizes[1] <= sizes[0]) {
    throw new Error("The small store needs 2,000 objects or more, and the large one more than that.");
  }
  await inWorkplace(flags.folder, async ({ folder, keep, stopAll }) => {
    const key = newAdminKey();
    const stores = [
      await growStore(folder, sizes[0], key, filling),
      await growStore(folder, sizes[1], key, filling),
    ] as const;
    const starts = [await startMs(stores[0], rounds), await startMs(stores[1], rounds)] as const;

    const small = keep(await startGrown(stores[0]));
    const large = keep(await startGrown(stores[1]));
    const outcomes: Outcome[] = [];
    for (const one of growthCases(rounds, flags.quick, sizes[0])) {
      outcomes.push(await measure(one, [small, large], rounds, flags.quick));
    }
    // Both have done the same by now.
    const memory = [small.peakMemoryMiB(), large.peakMemoryMiB()] as const;

    const asked = [fewPrefix, manyPrefix].map((name) => ({ ...large, name }));
    const prefixes = await measure(prefixCase, asked, rounds, flags.quick);
    const connections = await measureConnections(large, {
      busy: flags.busy.split(",").filter(Boolean).map(Number),
      idle: Number(flags.idle),
      durationMs: flags.quick ? 3000 : 10_000,
      rounds,
    });
    const withConnections = large.peakMemoryMiB();
    await stopAll();

    process.stdout.write(
      report({
        sizes,
        filling,
        rounds,
        outcomes,
        starts,
        memory,
        prefixes,
        connections,
        memoryWithConnections: withConnections,
      }),
    );
    const wrong =
      [...outcomes, prefixes].some(({ byName }) => [...byName.values()].some(hasErrors)) ||
      connections.some(({ result }) => result.errors > 0);
    if (wrong) process.exitCode = 1;
  });
}

runTool("bench:growth", main);
