import { accessSync, constants, mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { ConfigError } from "../common/config/options";

/**
 * Makes a folder that was configured, and what is missing above it, and sees that it can be used. `advice` is the
 * sentence about what to change. Throws ConfigError.
 */
export function makeFolder(folder: string, advice: string, mode = 0o700): void {
  try {
    makeMissing(resolve(folder), mode);
    if (!statSync(folder).isDirectory()) throw Object.assign(new Error(), { code: "ENOTDIR" });
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError(`The folder ${folder} cannot be used: ${code}. ${advice}`);
  }
}

/** Level by level: mkdirSync's `recursive` never returns where the parent is there and refuses, as /proc does. */
function makeMissing(folder: string, mode: number): void {
  try {
    mkdirSync(folder, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    const parent = dirname(folder);
    if (code !== "ENOENT" || parent === folder || isThere(parent)) throw error;
    makeMissing(parent, mode);
    mkdirSync(folder, { mode });
  }
}

function isThere(folder: string): boolean {
  return statSync(folder, { throwIfNoEntry: false }) !== undefined;
}
