import { execFile, execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const root = join(__dirname, "../../..");

/** Builds a whole `cairn` with something planted in it (build-planted-cairn.mjs); answers the program. */
export async function buildPlantedCairn(name: string): Promise<string> {
  const program = join(root, `dist/planted/${name}-cairn-${process.pid}.js`);
  mkdirSync(join(root, "dist/planted"), { recursive: true });
  const script = join(__dirname, "build-planted-cairn.mjs");
  await promisify(execFile)(process.execPath, [script, name, program], { cwd: root });
  return program;
}

/** A step of write, commit, compaction, repair or their kin, at which a store can be killed. */
export type NamedStep = {
  readonly family: string;
  readonly name: string;
  /** What brings it about. */
  readonly by: "load" | "start" | "damage" | "orphans";
};

export function namedSteps(): readonly NamedStep[] {
  const script = join(__dirname, "named-steps.mjs");
  return JSON.parse(execFileSync(process.execPath, [script], { encoding: "utf8" })) as NamedStep[];
}
