// `npm run simulate:controls [-- NAME ...]`: plants one bug after the other and shows that the simulation, or the suite
// that is meant for it, catches it. Exits with 1 when one goes uncaught: then that is blind to it, and proves nothing
// about it.
import { spawn } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { buildSimulator } from "./build.mjs";
import { plantedBugs, suiteControls } from "./planted-bugs.mjs";

const root = resolve(import.meta.dirname ?? "test/simulation", "../..");
const names = process.argv.slice(2);
if (names[0] === "--list") {
  process.stdout.write(`${JSON.stringify(plantedBugs.map(({ name, what }) => [name, what]))}\n`);
  process.exit(0);
}
const all = [...plantedBugs, ...suiteControls];
const unknown = names.filter((name) => !all.some((bug) => bug.name === name));
if (unknown.length > 0) {
  process.stderr.write(
    `no planted bug is called ${unknown.join(", ")}; there are: ${all.map((bug) => bug.name).join(", ")}\n`,
  );
  process.exit(2);
}

let uncaught = 0;
for (const bug of all.filter(({ name }) => names.length === 0 || names.includes(name))) {
  const { caught, told } = await ("suite" in bug ? runSuite(bug) : run(bug));
  if (!caught) uncaught += 1;
  process.stdout.write(`${bug.name.padEnd(28)} ${caught ? "caught" : "NOT CAUGHT"}: ${told}\n`);
}
process.exitCode = uncaught === 0 ? 0 : 1;

async function run({ name, patches, faults, seed = 1, seeds = 60, steps = 30 }) {
  mkdirSync(resolve(root, "dist/planted"), { recursive: true });
  const outfile = `dist/planted/${name}-${process.pid}.js`;
  try {
    await buildSimulator(outfile, patches);
    const output = await outputOf([
      outfile,
      ...["--seed", `${seed}`, "--seeds", `${seeds}`, "--steps", `${steps}`, "--until-failure"],
      ...(faults === undefined ? [] : ["--faults", faults]),
    ]);
    const failure = /^seed (\d+) FAILED: (.*)$/m.exec(output);
    const time = /([\d.]+) s\b[^\n]*$/.exec(output.trimEnd())?.[1];
    if (failure !== null)
      return {
        caught: true,
        told: `seed ${failure[1]} of ${seed} to ${seed + seeds - 1}, ${time} s: ${failure[2].slice(0, 140)}`,
      };
    return { caught: false, told: `${seeds} seeds held, ${time} s: ${output.trimEnd().split("\n").at(-1)}` };
  } finally {
    for (const end of ["", ".map"]) rmSync(resolve(root, `${outfile}${end}`), { force: true });
  }
}

/** The control passes when the suite caught the bug; skipped, it says why on the way. */
async function runSuite({ suite, test }) {
  const startedMs = Date.now();
  const jest = resolve(root, "node_modules/jest/bin/jest.js");
  const output = await outputOf([jest, suite, "-t", test], "ignore");
  const [, passed, failed] = /^(\d+) passed, (\d+) failed/m.exec(output) ?? [];
  const caught = Number(passed) > 0 && failed === "0";
  const seconds = ((Date.now() - startedMs) / 1_000).toFixed(1);
  const why = caught ? "" : `: ${/^no power is cut.*$/m.exec(output)?.[0] ?? "the test did not pass"}`;
  return { caught, told: `${suite}, ${seconds} s${why}` };
}

function outputOf(args, stderr = "inherit") {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", stderr] });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
    child.on("error", fail).on("close", () => done(output));
  });
}
