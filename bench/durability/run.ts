import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { table, verdict } from "../table";
import { type Estimate, estimateLoss } from "./estimate";
import { lossWithinYear, meanYearsToLoss } from "./markov";
import { drawPanels, type Point } from "./plot";
import { allScenarios, hoursAYear, journalWorld, simpleWorld, worldOf } from "./scenarios";

const usage = `npm run bench:durability -- [options]

  --years N     simulated years a row (200000)
  --seed N      of the random numbers (1)
  --svg FILE    where the plot goes (docs/durability-model.svg)
`;

/** The guide's 99.999 % a year. */
const guideLoss = 1e-5;

function main(): void {
  const { values: flags } = parseArgs({
    options: {
      years: { type: "string", default: "200000" },
      seed: { type: "string", default: "1" },
      svg: { type: "string", default: "docs/durability-model.svg" },
      help: { type: "boolean", default: false },
    },
  });
  if (flags.help) return void process.stdout.write(usage);
  const years = Number(flags.years);
  const seed = Number(flags.seed);
  const print = (text: string) => process.stdout.write(`${text}\n`);

  const rows = allScenarios().map(({ name, world }) => {
    process.stderr.write(`${name.trim()}\n`);
    const estimate = estimateLoss(world, { years, seed });
    const { loss, low, high, losses } = estimate;
    const kept = `${percentKept(loss)} %`;
    return [name, power(loss), `${power(low)} to ${power(high)}`, kept, `${losses}`, beats(estimate)];
  });
  const heading = ["an object's loss within a year", "probability", "95 % interval", "kept", "losses seen"];
  print(`\nGoal: the guide's 99.999 % a year, a loss of at most ${guideLoss}.\n`);
  print(table([...heading, ""], rows));

  print(
    "\nChecked against the closed form: three copies, failures and repairs independent and exponential.\n",
  );
  const checks = [1, 10, 100, 1000].map((repairHours) => check(repairHours, years, seed));
  print(
    table(
      ["mean hours of a repair", "closed form", "a year ÷ mean time to loss", "simulated", "95 % interval"],
      checks.map(({ repairHours, exact, byMean, estimate: { loss, low, high } }) => [
        `${repairHours}`,
        power(exact),
        power(byMean),
        power(loss),
        `${power(low)} to ${power(high)}`,
      ]),
    ),
  );
  writeFileSync(flags.svg, plot(checks, years, seed));
  print(`\nThe plot: ${flags.svg}`);
}

const checkedFailureRate = 0.2;

type Check = { repairHours: number; exact: number; byMean: number; estimate: Estimate };

function check(repairHours: number, years: number, seed: number): Check {
  const chain = {
    copies: 3,
    needed: 1,
    failureRate: checkedFailureRate,
    repairRate: hoursAYear / repairHours,
  };
  return {
    repairHours,
    exact: lossWithinYear(chain),
    byMean: 1 / meanYearsToLoss(chain),
    estimate: estimateLoss(simpleWorld(chain), { years, seed }),
  };
}

function plot(checks: readonly Check[], years: number, seed: number): string {
  const days = [0.1, 0.3, 1, 3, 10, 30, 100];
  const over = (worldAt: (replaceHours: number) => ReturnType<typeof worldOf>): Point[] =>
    days.map((x) => {
      const { loss, low, high } = estimateLoss(worldAt(x * 24), { years: years / 2, seed });
      return { x, y: loss, low, high };
    });
  const limit = { y: guideLoss, name: "the guide's 99.999 %" };
  const yLabel = "probability of losing an object within a year";
  return drawPanels([
    {
      title: "What replacing lost hardware soon is worth",
      xLabel: "days until a lost node or folder is replaced",
      yLabel,
      x: [-1, 2],
      y: [-10, 0],
      limit,
      curves: [
        {
          name: "three nodes, three zones",
          colour: "#06c",
          drawn: "both",
          points: over((replaceHours) => worldOf("three zones", { replaceHours })),
        },
        {
          name: "twelve nodes, three zones",
          colour: "#0a7",
          drawn: "both",
          points: over((replaceHours) => worldOf("three zones", { replaceHours, nodesAZone: 4 })),
        },
        {
          name: "three nodes, one room",
          colour: "#a50",
          drawn: "both",
          points: over((replaceHours) => worldOf("one room", { replaceHours })),
        },
        {
          name: "two of three folders, embedded",
          colour: "#808",
          drawn: "both",
          points: over((replaceHours) => journalWorld(2, { replaceHours })),
        },
      ],
    },
    {
      title: "The simulation against the closed form",
      xLabel: "mean hours of a repair",
      yLabel,
      x: [0, 3],
      y: [-10, 0],
      limit,
      curves: [
        {
          name: "closed form (Markov)",
          colour: "#999",
          drawn: "line",
          points: checks.map(({ repairHours, exact }) => ({ x: repairHours, y: exact })),
        },
        {
          name: "simulated, 95 % interval",
          colour: "#06c",
          drawn: "points",
          points: checks.map(({ repairHours, estimate: { loss, low, high } }) => ({
            x: repairHours,
            y: loss,
            low,
            high,
          })),
        },
      ],
    },
  ]);
}

/** "beats it" only when the whole interval does. */
function beats({ low, high }: Estimate): string {
  if (low < guideLoss && high > guideLoss) return "too near to tell";
  return verdict(high <= guideLoss);
}

function power(value: number): string {
  return value.toExponential(1);
}

/** As many nines as say two digits of the loss. */
function percentKept(loss: number): string {
  const digits = loss > 0 ? Math.max(0, Math.ceil(-Math.log10(loss)) - 1) : 12;
  return (100 * (1 - loss)).toFixed(digits);
}

main();
