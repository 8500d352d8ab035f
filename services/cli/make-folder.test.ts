import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../common/config/options";
import { makeFolder } from "./make-folder";

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "cairn-folder-"));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

test("a folder is made with what is missing above it, for its owner alone; again is fine", () => {
  const folder = join(base, "a", "b", "c");
  makeFolder(folder, "");
  makeFolder(folder, "");
  expect(statSync(folder).mode & 0o777).toBe(0o700);
});

test("a file in the way is named, with what to do", () => {
  writeFileSync(join(base, "file"), "");
  for (const folder of [join(base, "file"), join(base, "file", "below")])
    expect(() => makeFolder(folder, "Give another one with --data.")).toThrow(
      new ConfigError(`The folder ${folder} cannot be used: ENOTDIR. Give another one with --data.`),
    );
});

test("a place where no folder can be made is refused at once", () => {
  expect(() => makeFolder("/proc/cairn/data", "")).toThrow(ConfigError);
});
