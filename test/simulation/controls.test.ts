import { execFile, execFileSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

/**
 * A simulation that finds nothing proves something only if it finds what is there: each planted bug must be caught.
 * Hundreds of seeds each, minutes in all: run by night (scripts/nightly.sh) and by hand.
 */
const root = join(__dirname, "../..");
const controls = join(__dirname, "controls.mjs");
const listed = execFileSync(process.execPath, [controls, "--list"], { cwd: root, encoding: "utf8" });

const wanted = process.env.CAIRN_CONTROLS === "1";
if (!wanted)
  console.log("the planted bugs are not tried: set CAIRN_CONTROLS=1, or npm run simulate:controls");

(wanted ? test : test.skip).each(JSON.parse(listed) as [string, string][])(
  "caught: %s (%s)",
  async (name) => {
    const run = promisify(execFile)(process.execPath, [controls, name], { cwd: root, encoding: "utf8" });
    const { stdout } = await run.catch((error: { stdout: string }) => error);
    expect(stdout).toMatch(new RegExp(`^${name} +caught: seed \\d+`));
  },
  300_000,
);
