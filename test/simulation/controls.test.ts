import { execFile, execFileSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

/** A simulation that finds nothing proves something only if it finds what is there: each planted bug must be caught. */
const root = join(__dirname, "../..");
const controls = join(__dirname, "controls.mjs");
const listed = execFileSync(process.execPath, [controls, "--list"], { cwd: root, encoding: "utf8" });

test.each(JSON.parse(listed) as [string, string][])(
  "caught: %s (%s)",
  async (name) => {
    const run = promisify(execFile)(process.execPath, [controls, name], { cwd: root, encoding: "utf8" });
    const { stdout } = await run.catch((error: { stdout: string }) => error);
    expect(stdout).toMatch(new RegExp(`^${name} +caught: seed \\d+`));
  },
  300_000,
);
