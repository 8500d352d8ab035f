import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { serveCairn, startCairn } from "../support/cairn-process";
import { Http } from "../support/http";
import { until } from "../support/until";

const run = promisify(execFile);
const root = join(__dirname, "../..");

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cairn-start-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const keyIn = (lines: readonly string[]) =>
  lines.flatMap((line) => /Admin API Key: (s3_key_[0-9a-f]{64})/.exec(line)?.[1] ?? []);

test("the first start prints address, folder and key once, and three curl lines that work when pasted", async () => {
  const store = await serveCairn(folder);
  try {
    await store.line(/curl http.*README/);
    expect(keyIn(store.lines)).toHaveLength(1);
    expect(store.lines.some((line) => line.includes(folder))).toBe(true);
    const curls = store.lines.filter((line) => /^\s+curl /.test(line));
    expect(curls).toHaveLength(3);
    const outputs = [];
    for (const line of curls) {
      const pasted = line.trim().replace(/^curl /, "curl --fail --silent --show-error ");
      outputs.push((await run("bash", ["-c", pasted], { cwd: root, maxBuffer: 1e8 })).stdout);
    }
    expect(outputs[2]).toBe(await readFile(join(root, "README.md"), "utf8"));
  } finally {
    expect(await store.stop()).toBe(0);
  }
});

test("later starts say where the key was printed and how to make another, and find everything again", async () => {
  const first = await serveCairn(folder);
  const [key = ""] = keyIn(first.lines);
  const http = new Http(first.url, key);
  await http.ask("PUT", "/photos");
  await http.ask("PUT", "/photos/k", { body: "kept", headers: { "x-amz-meta-a": "b" } });
  http.close();
  expect(await first.stop()).toBe(0);
  const second = await serveCairn(folder);
  try {
    await second.line(/printed by the first start, \d{4}-\d\d-\d\dT.*admin new-key/);
    expect(second.lines.join("\n")).not.toContain(key);
    const again = new Http(second.url, key);
    const got = await again.ask("GET", "/photos/k");
    expect([got.status, got.text, got.headers["x-amz-meta-a"]]).toEqual([200, "kept", "b"]);
    again.close();
  } finally {
    await second.stop();
  }
});

test("a second start on the same data folder is refused with the holder's pid, and harms nothing", async () => {
  const holder = await serveCairn(folder);
  try {
    const second = startCairn(["serve", "--data", folder, "--port", "0"]);
    expect(await second.exited).toBe(1);
    expect(second.lines.join("\n")).toContain(`pid ${holder.child.pid}`);
    expect((await fetch(`${holder.url}/health`)).status).toBe(200);
  } finally {
    await holder.stop();
  }
  const third = await serveCairn(folder);
  expect(await third.stop()).toBe(0);
});

test("a start after kill -9 is not refused: the kernel freed the lock", async () => {
  const killed = await serveCairn(folder);
  await killed.stop("SIGKILL");
  const next = await serveCairn(folder);
  expect(await next.stop()).toBe(0);
});

test("ADMIN_API_KEY sets the first key and is not printed; it stays the key when the variable changes", async () => {
  const given = `s3_key_${"3f9a0b1c2d4e5678".repeat(4)}`;
  const first = await serveCairn(folder, { ADMIN_API_KEY: given });
  expect((await fetch(first.url, { headers: { authorization: `Bearer ${given}` } })).status).toBe(200);
  await first.line(/ADMIN_API_KEY/);
  expect(keyIn(first.lines)).toEqual([]);
  expect(first.lines.join("\n")).not.toContain("3f9a0b1c");
  await first.stop();
  const second = await serveCairn(folder, { ADMIN_API_KEY: `s3_key_${"4e9a0b1c2d3f5678".repeat(4)}` });
  const status = async (key: string) =>
    (await fetch(second.url, { headers: { authorization: `Bearer ${key}` } })).status;
  expect([await status(given), await status(`s3_key_${"4e9a0b1c2d3f5678".repeat(4)}`)]).toEqual([200, 401]);
  await second.stop();
});

test("ADMIN_API_KEY_FILE is read like the variable", async () => {
  const given = `s3_key_${"77ab0b1c2d4e5698".repeat(4)}`;
  const file = join(folder, "key.txt");
  await writeFile(file, `${given}\n`);
  const store = await serveCairn(join(folder, "data"), { ADMIN_API_KEY_FILE: file });
  expect((await fetch(store.url, { headers: { authorization: `Bearer ${given}` } })).status).toBe(200);
  await store.stop();
});

test("`cairn admin new-key` makes another admin key, while the store runs and while it does not", async () => {
  const newKey = async () => {
    const command = startCairn(["admin", "new-key", "--data", folder]);
    expect([await command.exited, command.lines.length]).toEqual([0, 1]);
    return keyIn(command.lines)[0] ?? "";
  };
  const store = await serveCairn(folder);
  const first = await newKey();
  const whoami = (url: string, key: string) =>
    fetch(`${url}/_/api/v1/users`, { headers: { authorization: `Bearer ${key}` } });
  expect((await whoami(store.url, first)).status).toBe(200);
  await store.stop();
  const second = await newKey();
  expect(second).not.toBe(first);
  const again = await serveCairn(folder);
  expect([(await whoami(again.url, first)).status, (await whoami(again.url, second)).status]).toEqual([
    200, 200,
  ]);
  await again.stop();
});

test("`cairn admin new-key` where there is no store says so, exits with 2 and makes none", async () => {
  const command = startCairn(["admin", "new-key", "--data", folder]);
  expect(await command.exited).toBe(2);
  expect(command.lines.join("\n")).toContain("No store was found");
  expect(await readdir(folder)).toEqual([]);
});

test("SIGTERM ends what is in flight, takes nothing new, and exits with 0", async () => {
  const store = await serveCairn(folder);
  const [key = ""] = keyIn(store.lines);
  const http = new Http(store.url, key);
  await http.ask("PUT", "/photos");
  const { port } = new URL(store.url);
  const socket = connect(Number(port), "127.0.0.1");
  let answer = "";
  socket.setEncoding("latin1").on("data", (data: string) => {
    answer += data;
  });
  socket.write(`${http.head("PUT", "/photos/slow", "Content-Length: 6", "Expect: 100-continue")}\r\n`);
  while (!answer.includes("100 Continue")) await once(socket, "data");
  socket.write("abc");
  store.child.kill("SIGTERM");
  await store.line(/stopping/);
  await until(() =>
    fetch(`${store.url}/health`).then(
      () => false,
      () => true,
    ),
  );
  expect(store.child.exitCode).toBeNull();
  socket.write("def");
  await once(socket, "end");
  expect(answer).toContain("HTTP/1.1 200 OK");
  expect(await store.exited).toBe(0);
  http.close();
  const next = await serveCairn(folder);
  const again = new Http(next.url, key);
  expect((await again.ask("GET", "/photos/slow")).text).toBe("abcdef");
  again.close();
  await next.stop();
});

test("a client that never ends does not hold up the exit beyond the grace, and leaves nothing", async () => {
  const store = await serveCairn(folder, { SHUTDOWN_GRACE: "1s" });
  const [key = ""] = keyIn(store.lines);
  const http = new Http(store.url, key);
  await http.ask("PUT", "/photos");
  const socket = http.socket();
  socket.on("error", () => {});
  socket.write(`${http.head("PUT", "/photos/never", "Content-Length: 6")}\r\nabc`);
  await until(async () => (await http.ask("GET", "/photos")).status === 200);
  const startedAtMs = performance.now();
  expect(await store.stop()).toBe(0);
  expect(performance.now() - startedAtMs).toBeLessThan(10_000);
  http.close();
  const next = await serveCairn(folder);
  const again = new Http(next.url, key);
  expect((await again.ask("GET", "/photos")).json.objects).toEqual([]);
  again.close();
  await next.stop();
});

test("secrets lie in files that only their owner reads", async () => {
  const store = await serveCairn(folder);
  await store.stop();
  for (const name of ["master.key", "state/first-key.json"])
    expect([name, (await stat(join(folder, name))).mode & 0o077]).toEqual([name, 0]);
  const [key = ""] = keyIn(store.lines);
  const secret = Buffer.from(key.slice(7));
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  expect(files.length).toBeGreaterThan(5);
  for (const file of files)
    expect([file.name, (await readFile(join(file.parentPath, file.name))).includes(secret)]).toEqual([
      file.name,
      false,
    ]);
});

test("--help names every option with its variable; --version answers", async () => {
  const help = startCairn(["serve", "--help"]);
  expect(await help.exited).toBe(0);
  for (const name of ["--data", "--port", "--host", "PORT", "RATE_LIMIT", "CAIRN_DATA"])
    expect(help.lines.join("\n")).toContain(name);
  const version = startCairn(["--version"]);
  expect([await version.exited, version.lines]).toEqual([0, [expect.stringMatching(/^\d+\.\d+\.\d+$/)]]);
});
