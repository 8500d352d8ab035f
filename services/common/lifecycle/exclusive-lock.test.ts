import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LockHeldError, takeExclusiveLock } from "./exclusive-lock";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cairn-lock-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a lock is held once, by whom is said, and it is free again when it is released", () => {
  const path = join(folder, "lock.db");
  const lock = takeExclusiveLock(path);
  expect(() => takeExclusiveLock(path)).toThrow(LockHeldError);
  expect(() => takeExclusiveLock(path)).toThrow(`held by pid ${process.pid}`);
  lock.release();
  takeExclusiveLock(path).release();
});

test("a damaged lock file locks all the same, since it holds nothing", () => {
  const path = join(folder, "lock.db");
  writeFileSync(path, Buffer.alloc(5_000, "rubbish"));
  writeFileSync(`${path}-journal`, Buffer.alloc(600, "rubbish"));
  const lock = takeExclusiveLock(path);
  expect(readFileSync(path).includes("rubbish")).toBe(false);
  expect(() => takeExclusiveLock(path)).toThrow(LockHeldError);
  lock.release();
});
