import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { serveCairn, startCairn } from "../support/cairn-process";
import { Http } from "../support/http";
import { until } from "../support/until";

const adminKey = "s3_key_5d0b1f6a7c8e4d3295af10e6b7c8d9e05d0b1f6a7c8e4d3295af10e6b7c8d9e0";
const isRoot = process.getuid?.() === 0;

let folder: string;
let mounts: string[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cairn-folders-"));
});
afterEach(async () => {
  for (const mount of mounts) execFileSync("umount", ["-l", mount]);
  mounts = [];
  await rm(folder, { recursive: true, force: true });
});

/** A file system of its own; false, with the reason printed, where this may not be made. */
async function mounted(path: string, ...options: string[]): Promise<boolean> {
  try {
    await mkdir(path, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", ...options, "tmpfs", path], { stdio: "pipe" });
    mounts.push(path);
    return true;
  } catch (error) {
    process.stderr.write(`skipped: no tmpfs can be mounted here (${String(error).split("\n")[0]})\n`);
    return false;
  }
}

/** A start that must fail; answers what it said. */
async function refused(...data: string[]): Promise<{ code: number | null; said: string }> {
  const started = startCairn(["serve", ...data.flatMap((path) => ["--data", path]), "--port", "0"]);
  const code = await started.exited;
  const said = started.lines.join("\n");
  expect(code).not.toBe(0);
  expect(said).not.toMatch(/^\s+at /m);
  return { code, said };
}

test("a folder that cannot be written is named, and the exit is 2", async () => {
  const path = join(folder, "read-only");
  if (isRoot) {
    // To root every mode is writable; a file system that is mounted read-only is not.
    if (!(await mounted(path, "-o", "ro"))) return;
  } else {
    await mkdir(path);
    await chmod(path, 0o500);
  }
  const { code, said } = await refused(path);
  expect([code, said]).toEqual([2, expect.stringContaining(path)]);
  expect(said).toMatch(/EROFS|EACCES/);
});

test("a file in place of a folder is named, and left as it is", async () => {
  const path = join(folder, "file");
  await writeFile(path, "precious");
  const { code, said } = await refused(path);
  expect([code, said]).toEqual([2, expect.stringContaining(path)]);
  expect(await readFile(path, "utf8")).toBe("precious");
});

test("a foreign folder is refused, and nothing in it is touched", async () => {
  for (const path of [join(folder, "own"), join(folder, "own", "node-2")]) {
    await mkdir(path, { recursive: true });
  }
  const foreign = join(folder, "own", "node-2", "somebody-elses.txt");
  await writeFile(foreign, "precious");
  const { said } = await refused(join(folder, "own"));
  expect(said).toContain(join(folder, "own", "node-2"));
  expect(said).toContain("somebody-elses.txt");
  expect(await readFile(foreign, "utf8")).toBe("precious");
  expect(await readdir(join(folder, "own", "node-2"))).toEqual(["somebody-elses.txt"]);
});

test("a folder of another store's node is refused", async () => {
  const [one, two] = [join(folder, "one"), join(folder, "two")];
  for (const path of [one, two]) await (await serveCairn(path)).stop();
  await rm(join(one, "node-3"), { recursive: true });
  execFileSync("cp", ["-r", join(one, "node-2"), join(one, "node-3")]);
  const copied = startCairn(["serve", "--data", one, "--port", "0"]);
  const code = await Promise.race([copied.exited, copied.line(/Address/, 10_000).then(() => "served")]);
  // The same volume twice must not be counted as two copies: refused, or served with it left out.
  if (code === "served") {
    await copied.stop();
    expect(copied.lines.join("\n")).toMatch(/twice|claimed|another|same volume|is alive elsewhere/i);
  } else {
    expect(code).not.toBe(0);
    expect(copied.lines.join("\n")).toMatch(/volume|node/);
  }
});

test("folders with different master keys belong to different stores: refused", async () => {
  const three = (name: string) => [1, 2, 3].map((number) => join(folder, name, `${number}`));
  const starts = (data: string[]) =>
    startCairn(["serve", ...data.flatMap((path) => ["--data", path]), "--port", "0"]);
  for (const name of ["a", "b"]) {
    const started = starts(three(name));
    await started.line(/Address/);
    expect(await started.stop()).toBe(0);
  }
  const [a1 = "", a2 = ""] = three("a");
  const [, , b3 = ""] = three("b");
  const { code, said } = await refused(a1, a2, b3);
  expect([code, said]).toEqual([2, expect.stringContaining("different master keys")]);
  const again = starts(three("a"));
  await again.line(/Address/);
  expect(await again.stop()).toBe(0);
});

test("a volume that a newer Cairn wrote is refused and left as it is", async () => {
  await (await serveCairn(folder)).stop();
  const path = join(folder, "node-1", "volume.json");
  const newer = JSON.stringify({ ...JSON.parse(await readFile(path, "utf8")), format: 999 });
  for (const file of [path, `${path}.copy`]) await writeFile(file, newer);
  const { said } = await refused(folder);
  expect(said).toContain("newer Cairn");
  expect(said).toContain(join(folder, "node-1"));
  expect(await readFile(path, "utf8")).toBe(newer);
});

test.each(["identity", "bucket", "metadata"])(
  "a %s schema that a newer Cairn wrote is refused and left as it is",
  async (schema) => {
    await (await serveCairn(folder)).stop();
    const path = join(folder, "state", `${schema}.db`);
    const database = new Sqlite(path);
    database
      .prepare("insert into migrations (name, timestamp) values (?, ?)")
      .run("9999-from-the-future", "2100");
    database.close();
    const { said } = await refused(folder);
    expect(said).toContain("9999-from-the-future");
    expect(said).toContain("newer version");
    const after = new Sqlite(path, { readonly: true });
    expect(after.prepare("select count(*) as n from migrations where name like '9999%'").get()).toEqual({
      n: 1,
    });
    after.close();
  },
);

test("a volume.json that is broken, and its copy too, is named, and what lies beside it is left", async () => {
  const store = await serveCairn(folder, { ADMIN_API_KEY: adminKey });
  const http = new Http(store.url, adminKey);
  await http.ask("PUT", "/photos");
  await http.ask("PUT", "/photos/k", { body: "kept" });
  http.close();
  await store.stop();
  const path = join(folder, "node-2", "volume.json");
  const good = await readFile(path, "utf8");
  for (const file of [path, `${path}.copy`]) await writeFile(file, "{broken");
  expect((await refused(folder)).said).toContain(join(folder, "node-2"));
  await writeFile(path, good);
  const again = await serveCairn(folder);
  const reader = new Http(again.url, adminKey);
  expect((await reader.ask("GET", "/photos/k")).text).toBe("kept");
  reader.close();
  await again.stop();
});

test("a disk that fills up: 507, no torn object, what was acknowledged is there; room again: writes again", async () => {
  const disk = join(folder, "disk");
  if (!(await mounted(disk, "-o", "size=96m"))) return;
  const data = join(disk, "data");
  const store = await serveCairn(data, {
    ADMIN_API_KEY: adminKey,
    STORAGE_RESERVE: "16MiB",
    DELETE_GRACE: "1s",
  });
  const http = new Http(store.url, adminKey);
  try {
    await http.ask("PUT", "/photos");
    const body = Buffer.alloc(4 * 1024 * 1024, "x");
    const acknowledged: string[] = [];
    let refusal: number | undefined;
    for (let number = 0; number < 40 && refusal === undefined; number++) {
      const { status } = await http.ask("PUT", `/photos/${number}`, { body });
      if (status === 200) acknowledged.push(String(number));
      else refusal = status;
    }
    expect(refusal).toBe(507);
    expect(acknowledged.length).toBeGreaterThan(0);
    const listed = (await http.ask("GET", "/photos")).json.objects.map(({ key }: { key: string }) => key);
    expect(new Set(listed)).toEqual(new Set(acknowledged));
    for (const key of acknowledged)
      expect((await http.ask("GET", `/photos/${key}`)).bytes.equals(body)).toBe(true);
    for (const key of acknowledged) expect((await http.ask("DELETE", `/photos/${key}`)).status).toBe(204);
    await until(async () => (await http.ask("PUT", "/photos/again", { body })).status === 200, 30_000);
  } finally {
    http.close();
    await store.stop();
  }
});

test("a disk that is full at start is named, and nothing is lost", async () => {
  const disk = join(folder, "disk");
  if (!(await mounted(disk, "-o", "size=64m"))) return;
  const data = join(disk, "data");
  const env = { ADMIN_API_KEY: adminKey, STORAGE_RESERVE: "1MiB" };
  const first = await serveCairn(data, env);
  const http = new Http(first.url, adminKey);
  await http.ask("PUT", "/photos");
  await http.ask("PUT", "/photos/k", { body: "kept" });
  http.close();
  await first.stop();
  execFileSync("bash", ["-c", `cat /dev/zero > ${join(disk, "filler")} 2>/dev/null || true`]);
  const full = startCairn(["serve", "--data", data, "--port", "0"], { ...env, RATE_LIMIT: "0" });
  const outcome = await Promise.race([full.exited, full.line(/Address\s+(http:\S+)/, 15_000)]);
  if (typeof outcome === "object" && outcome !== null) {
    const reader = new Http(outcome[1] ?? "", adminKey);
    expect((await reader.ask("GET", "/photos/k")).text).toBe("kept");
    expect([503, 507]).toContain((await reader.ask("PUT", "/photos/n", { body: "x" })).status);
    reader.close();
    await full.stop();
  } else {
    expect(outcome).not.toBe(0);
    expect(full.lines.join("\n")).toMatch(/ENOSPC|full/);
  }
  await rm(join(disk, "filler"));
  const again = await serveCairn(data, env);
  const reader = new Http(again.url, adminKey);
  expect((await reader.ask("GET", "/photos/k")).text).toBe("kept");
  expect((await reader.ask("PUT", "/photos/n", { body: "x" })).status).toBe(200);
  reader.close();
  await again.stop();
});
