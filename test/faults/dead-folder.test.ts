import { readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EmbeddedProcess, serveCairn, startCairn } from "../support/cairn-process";
import { until } from "../support/until";
import { StoreClient } from "./support/store-client";
import { whyNoStrace } from "./support/strace";

const adminKey = "s3_key_1c7be14a38995d0e9f2d1c5f60b72ae34c8d1f09a6b5e4d3c2b1a09f8e7d6c5b";
const env = { ADMIN_API_KEY: adminKey, STORAGE_RESERVE: "64MiB", LOG_LEVEL: "error" };
const noStrace = whyNoStrace();
if (noStrace !== undefined) process.stdout.write(`no disk answers EIO: ${noStrace}\n`);
const withStrace = noStrace === undefined ? test : test.skip;

let folder: string;
let store: EmbeddedProcess | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cairn-dead-"));
});
afterEach(async () => {
  await store?.stop("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

const rootsIn = (place: string) => ["a", "b", "c"].map((name) => join(place, name));

async function serve(roots: readonly string[], under: readonly string[] = []): Promise<StoreClient> {
  const [first = "", ...others] = roots;
  const args = others.flatMap((root) => ["--data", root]);
  store = await serveCairn(first, env, args, { under });
  return new StoreClient(store.url, adminKey);
}

async function stop(client: StoreClient): Promise<void> {
  client.close();
  expect(await store?.stop()).toBe(0);
}

async function putSome(client: StoreClient, from: number, to: number): Promise<void> {
  for (let key = from; key < to; key++)
    await client.expect([200], "PUT", `/kept/${key}`, { body: Buffer.alloc(5_000, key) });
}

/** All is served that was acknowledged, and a listing shows it. */
async function expectSome(client: StoreClient, count: number): Promise<void> {
  for (let key = 0; key < count; key++) {
    const { body } = await client.expect([200], "GET", `/kept/${key}`);
    expect(body.equals(Buffer.alloc(5_000, key))).toBe(true);
  }
  const listed = JSON.parse((await client.expect([200], "GET", "/kept")).body.toString());
  expect(listed.objects).toHaveLength(count);
}

type Dependency = { name: string; ok: boolean; detail?: string };

async function troubles(client: StoreClient): Promise<Dependency[]> {
  const { body } = await client.send("GET", "/_/health/ready");
  return (JSON.parse(body.toString()) as { dependencies: Dependency[] }).dependencies.filter(({ ok }) => !ok);
}

/** What a store says that started without `dead`. */
async function expectTold(client: StoreClient, dead: string, why: RegExp): Promise<void> {
  const line = await store?.line(/LOST\s+(.*)/);
  expect(line?.[1]).toMatch(new RegExp(`^${dead}(/\\S+)?: .*${why.source}`));
  const found = await troubles(client);
  expect(found.map(({ name }) => name)).toContain(`journal ${join(dead, "journal")}`);
  const volume = found.find(({ name }) => name.endsWith(`/volume ${join(dead, "node")}`));
  expect(volume?.detail).toMatch(/^lost at the start: /);
  const metrics = (await client.expect([200], "GET", "/_/metrics")).body.toString();
  expect(metrics).toContain(`cairn_storage_lost_folder{folder="${join(dead, "node")}"} 1`);
  expect(metrics).toContain(`cairn_journal_folder_level{folder="${join(dead, "journal")}"} 0`);
}

const allLevel = (client: StoreClient) =>
  until(async () => (await troubles(client)).length === 0 || undefined, 30_000);

test.each([0, 1, 2])(
  "data folder %s of three is a plain file: the store starts from the other two, says so, and takes it back",
  async (index) => {
    const roots = rootsIn(folder);
    const dead = roots[index] as string;
    let client = await serve(roots);
    await client.expect([200], "PUT", "/kept");
    await putSome(client, 0, 10);
    await stop(client);
    renameSync(dead, `${dead}.away`);
    writeFileSync(dead, "not a folder");
    client = await serve(roots);
    await expectTold(client, dead, /ENOTDIR|EEXIST/);
    await expectSome(client, 10);
    await putSome(client, 10, 20);
    await stop(client);
    // Once more on the two, from where SQLite lies now.
    client = await serve(roots);
    await expectSome(client, 20);
    await stop(client);
    rmSync(dead);
    renameSync(`${dead}.away`, dead);
    client = await serve(roots);
    await expectSome(client, 20);
    await allLevel(client);
    await putSome(client, 20, 22);
    await expectSome(client, 22);
    await stop(client);
  },
  120_000,
);

/** Every file and folder there is. */
function pathsIn(place: string): string[] {
  const below = statSync(place).isDirectory() ? readdirSync(place) : [];
  return [place, ...below.flatMap((name) => pathsIn(join(place, name)))];
}

withStrace.each([0, 1])(
  "the disk of data folder %s of three answers EIO to every call: the store starts from the other two and says so",
  async (index) => {
    const roots = rootsIn(folder);
    const dead = roots[index] as string;
    let client = await serve(roots);
    await client.expect([200], "PUT", "/kept");
    await putSome(client, 0, 10);
    await stop(client);
    const calls = "openat,read,pread64,write,pwrite64,pwritev,fdatasync,fsync,mkdir,rename,unlink";
    const paths = pathsIn(dead).flatMap((path) => ["-P", path]);
    // -D: the store is the process that was started, and not strace.
    const eio = ["strace", "-D", "-f", "--seccomp-bpf", "-o", "/dev/null", ...paths];
    client = await serve(roots, [...eio, "-e", `trace=${calls}`, "-e", `inject=${calls}:error=EIO`]);
    await expectTold(client, dead, /EIO|unable to open|cannot be locked/);
    await expectSome(client, 10);
    await putSome(client, 10, 12);
    await expectSome(client, 12);
    await stop(client);
    client = await serve(roots);
    await allLevel(client);
    await expectSome(client, 12);
    await stop(client);
  },
  120_000,
);

test("a sub-folder of the only data folder is a plain file: the store starts from the other two", async () => {
  let client = await serve([folder]);
  await client.expect([200], "PUT", "/kept");
  await putSome(client, 0, 5);
  await stop(client);
  for (const name of ["node-2", "journal-2"]) {
    rmSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name), "not a folder");
  }
  client = await serve([folder]);
  expect((await store?.line(/LOST\s+(\S+):/))?.[1]).toBe(join(folder, "node-2"));
  await expectSome(client, 5);
  await putSome(client, 5, 8);
  await expectSome(client, 8);
  await stop(client);
});

test("a new store is not begun without one of its folders", async () => {
  const roots = rootsIn(folder);
  writeFileSync(roots[1] as string, "not a folder");
  const started = startCairn(["serve", ...roots.flatMap((root) => ["--data", root]), "--port", "0"]);
  expect(await started.exited).toBe(2);
  expect(started.lines.join()).toContain(`The folder ${roots[1]} cannot be used`);
});
