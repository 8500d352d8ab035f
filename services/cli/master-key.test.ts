import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { masterKeyOf } from "./master-key";

let place: string;
let folders: string[];
let files: string[];
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "cairn-master-"));
  folders = ["a", "b", "c"].map((name) => join(place, name));
  for (const folder of folders) mkdirSync(folder);
  files = folders.map((folder) => join(folder, "master.key"));
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

const textOf = (path: string) => readFileSync(path, "utf8");

test("it is made once, the same in every folder, and a folder that lacks it gets it", () => {
  const key = masterKeyOf(undefined, folders);
  expect(key).toHaveLength(32);
  rmSync(files[1] ?? "");
  expect(masterKeyOf(undefined, folders)).toEqual(key);
  expect(new Set(files.map(textOf)).size).toBe(1);
});

test.each([
  ["a wrong digit", (text: string) => text.replace(/^./, (digit) => (digit === "0" ? "1" : "0"))],
  ["a wrong checksum", (text: string) => text.replace(/.\n$/, "x\n")],
  ["half of it", (text: string) => text.slice(0, 32)],
  ["another file's bytes", () => '{"format":1}'],
  ["nothing", () => ""],
])("%s in two of three folders is told from another key, and mended from the third", (_, damage) => {
  const key = masterKeyOf(undefined, folders);
  const [first = "", second = "", third = ""] = files;
  for (const file of [first, second]) writeFileSync(file, damage(textOf(file)));
  expect(masterKeyOf(undefined, folders)).toEqual(key);
  expect([textOf(first), textOf(second)]).toEqual([textOf(third), textOf(third)]);
});

test("damaged everywhere it is refused, and no new one is made over it", () => {
  masterKeyOf(undefined, folders);
  for (const file of files) writeFileSync(file, textOf(file).slice(0, 40));
  const before = files.map(textOf);
  expect(() => masterKeyOf(undefined, folders)).toThrow(
    /does not hold a master key.*Restore it from a backup/,
  );
  expect(files.map(textOf)).toEqual(before);
});

test("one without a checksum, of an older Cairn or of people, is taken and gets one; two keys are refused", () => {
  const key = "0123456789abcdef".repeat(4);
  for (const file of files) writeFileSync(file, `${key}\n`);
  expect(masterKeyOf(undefined, folders).toString("hex")).toBe(key);
  expect(textOf(files[2] ?? "")).toMatch(new RegExp(`^${key}\ncrc32c [0-9a-f]{8}\n$`));
  expect(masterKeyOf(files[0], []).toString("hex")).toBe(key);
  writeFileSync(files[2] ?? "", `${"f".repeat(64)}\n`);
  expect(() => masterKeyOf(undefined, folders)).toThrow("different master keys");
});
