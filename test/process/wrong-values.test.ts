import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCairn } from "../support/cairn-process";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cairn-wrong-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Starts with these, and answers what it said before it ended with 2. */
async function refused(args: readonly string[], env: Record<string, string>): Promise<string> {
  const data = join(folder, "data");
  const started = startCairn(args, { CAIRN_DATA: data, PORT: "0", ...env });
  expect(await started.exited).toBe(2);
  expect(existsSync(data)).toBe(false);
  return started.lines.join("\n");
}

test.each([
  ["PORT", "http"],
  ["PORT", "70000"],
  ["RATE_LIMIT", "many"],
  ["RATE_LIMIT", "-1"],
  ["TRUSTED_PROXIES", "all"],
  ["STORAGE_RESERVE", "much"],
  ["DELETE_GRACE", "soon"],
  ["ORPHAN_GRACE", "-5m"],
  ["MIN_BODY_RATE", "1 furlong"],
  ["SHUTDOWN_GRACE", "x"],
  ["LOG_LEVEL", "loud"],
  ["LOG_FORMAT", "xml"],
  ["REGION", "not a region"],
  ["DATABASE_URL", "mysql://localhost/x"],
  ["STORAGE_URLS", "127.0.0.1:7881,:::"],
  ["METADATA_URL", "nowhere"],
])("%s=%s: the start says which value is wrong, makes nothing and exits with 2", async (name, value) => {
  const said = await refused(["serve"], { [name]: value });
  expect(said).toContain(name);
  if (name !== "DATABASE_URL") expect(said).toContain(`"${value}"`);
  expect(said).not.toContain("    at ");
});

test("all wrong values are told at once", async () => {
  const said = await refused(["serve"], { PORT: "http", RATE_LIMIT: "many" });
  expect([said.includes("PORT"), said.includes("RATE_LIMIT")]).toEqual([true, true]);
});

test("a wrong flag is told as the flag", async () => {
  expect(await refused(["serve", "--rate-limit", "many"], {})).toContain('--rate-limit is "many"');
});

test("a secret's value is never repeated (I9)", async () => {
  const said = await refused(["service", "identity"], { DATABASE_URL: "mysql://u:hunter2hunter2@db/x" });
  expect([said.includes("DATABASE_URL"), said.includes("hunter2")]).toEqual([true, false]);
});

test("an ADMIN_API_KEY that is no key is refused by its name alone", async () => {
  const started = startCairn(["serve"], {
    CAIRN_DATA: join(folder, "d"),
    PORT: "0",
    ADMIN_API_KEY: "letmein-letmein",
  });
  expect(await started.exited).toBe(2);
  const said = started.lines.join("\n");
  expect(said).toMatch(/ADMIN_API_KEY/);
  expect(said).not.toContain("letmein");
});

test.each([
  ["short", "0123456789abcdef"],
  ["of one letter", "a".repeat(64)],
  ["like an example", `changeme-${"0123456789abcdef".repeat(2)}`],
  ["like a password", `my-password-is-${"0123456789".repeat(3)}`],
])("a cluster secret that is %s is refused, unrepeated", async (_name, secret) => {
  const started = startCairn(["service", "gateway"], {
    CAIRN_DATA: join(folder, "d"),
    PORT: "0",
    CLUSTER_SECRET: secret,
  });
  expect(await started.exited).toBe(2);
  const said = started.lines.join("\n");
  expect([said.includes("CLUSTER_SECRET"), said.includes(secret)]).toEqual([true, false]);
});

test("a database password that everybody knows is refused, unless the database is on loopback", async () => {
  const started = startCairn(["service", "bucket"], {
    CAIRN_DATA: join(folder, "d"),
    PORT: "0",
    DATABASE_URL: "postgres://postgres:postgres@db.example:5432/s3_buckets",
  });
  expect(await started.exited).toBe(2);
  expect(started.lines.join("\n")).toContain("DATABASE_URL");
});

test("a secret file that is not there is named", async () => {
  const said = await refused(["serve"], { ADMIN_API_KEY_FILE: join(folder, "absent") });
  expect(said).toContain("ADMIN_API_KEY_FILE");
  expect(said).toContain("ENOENT");
});

test("a master key file that holds no key is named and its text is not repeated", async () => {
  const file = join(folder, "master");
  await writeFile(file, "not-a-master-key-at-all");
  const started = startCairn(["serve"], { CAIRN_DATA: join(folder, "d"), PORT: "0", MASTER_KEY_FILE: file });
  expect(await started.exited).toBe(2);
  expect(started.lines.join("\n")).toContain(file);
  expect(started.lines.join("\n")).not.toContain("not-a-master-key-at-all");
});

test("two data folders, or one twice, are refused with the reason", async () => {
  const [a, b] = [join(folder, "a"), join(folder, "b")];
  const two = startCairn(["serve", "--data", a, "--data", b, "--port", "0"]);
  expect(await two.exited).toBe(2);
  expect(two.lines.join("\n")).toContain("two folders cannot hold three copies");
  const twice = startCairn(["serve", "--data", a, "--data", b, "--data", a, "--port", "0"]);
  expect(await twice.exited).toBe(2);
  expect(twice.lines.join("\n")).toContain("twice");
  expect([existsSync(a), existsSync(b)]).toEqual([false, false]);
});

test("a port that is taken is named, and the exit is not 0", async () => {
  const { createServer } = await import("node:net");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const started = startCairn(["serve"], { CAIRN_DATA: join(folder, "d"), PORT: String(port) });
  expect(await started.exited).not.toBe(0);
  expect(started.lines.join("\n")).toMatch(new RegExp(`EADDRINUSE.*${port}|${port}.*EADDRINUSE`));
  await new Promise((resolve) => server.close(resolve));
});
