import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EmbeddedProcess, serveCairn, startCairn } from "../support/cairn-process";
import { Http } from "../support/http";

/** `cairn admin …` as an operator types it, against a running store. */

const adminKey = "s3_key_7c1fe09a5b3d48621e0f9c8b7a6d5e437c1fe09a5b3d48621e0f9c8b7a6d5e43";
let folder: string;
let store: EmbeddedProcess;
let http: Http;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cairn-admin-"));
  store = await serveCairn(folder, { ADMIN_API_KEY: adminKey, RATE_LIMIT: "0" });
  http = new Http(store.url, adminKey);
  await http.ask("PUT", "/kept");
  for (let n = 0; n < 5; n++) await http.ask("PUT", `/kept/n-${n}`, { body: Buffer.alloc(3_000_000, n) });
}, 120_000);
afterAll(async () => {
  http?.close();
  await store?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

async function admin(args: readonly string[], env: Record<string, string> = { API_KEY: adminKey }) {
  const run = startCairn(["admin", ...args], { GATEWAY_URL: store.url, ...env });
  const code = await run.exited;
  return { code, text: run.lines.join("\n") };
}

test("nodes, scrub with progress, repair status and verify --deep say what is so", async () => {
  const nodes = await admin(["nodes"]);
  expect(nodes.code).toBe(0);
  expect(nodes.text.match(/^node .* alive$/gm)).toHaveLength(3);
  expect(nodes.text.match(/^ {2}volume \S+ {2}online/gm)).toHaveLength(3);
  const scrub = await admin(["scrub", "--wait"]);
  expect(scrub).toMatchObject({ code: 0 });
  expect(scrub.text.match(/^scrub of \S+: done, 5 of \d+ copies/gm)?.length).toBeGreaterThanOrEqual(3);
  expect(await admin(["repair", "status"])).toMatchObject({
    code: 0,
    text: expect.stringContaining("waiting: 0 repairs"),
  });
  expect(await admin(["verify", "--deep"])).toMatchObject({
    code: 0,
    text: expect.stringContaining("all is as it should be"),
  });
}, 120_000);

test("object locate names the copies; a file that is taken away is found by verify, mended by --fix", async () => {
  const { code, text } = await admin(["object", "locate", "kept", "n-1"]);
  expect(code).toBe(0);
  const blobId = /^blob (\S+)/m.exec(text)?.[1] ?? "none";
  expect(text.match(/^ {2}volume .* good$/gm)).toHaveLength(3);
  const files = await readdir(folder, { recursive: true });
  const file = files.find((name) => name.includes(blobId));
  expect(file).toBeDefined();
  await rm(join(folder, file ?? ""));
  const found = await admin(["verify", "--deep"]);
  expect(found.code).toBe(1);
  expect(found.text).toMatch(new RegExp(`(missing|damaged): blob ${blobId}`));
  await admin(["verify", "--deep", "--fix"]);
  for (let tries = 0; (await admin(["verify", "--deep"])).code !== 0; tries++) expect(tries).toBeLessThan(20);
}, 180_000);

test("a drain is begun and taken back; what is not there, no key and no store are said plainly", async () => {
  const id = /^node (\S+)/m.exec((await admin(["nodes"])).text)?.[1] ?? "";
  expect(await admin(["drain", id])).toMatchObject({
    code: 0,
    text: expect.stringContaining("is being emptied"),
  });
  expect((await admin(["nodes"])).text).toContain("online, draining");
  expect((await admin(["remove", id])).code).toBe(1);
  expect(await admin(["drain", id, "--cancel"])).toMatchObject({
    code: 0,
    text: expect.stringContaining("takes blobs again"),
  });
  const stranger = await admin(["drain", "01932c07-2a4b-7d3e-9f10-8a6b5c4d3e2f"]);
  expect(stranger.code).toBe(1);
  expect(await admin(["nodes"], {})).toMatchObject({
    code: 2,
    text: expect.stringContaining("key of an admin"),
  });
  expect(await admin(["nodes", "--url", "http://127.0.0.1:9"])).toMatchObject({
    code: 1,
    text: expect.stringContaining("No store answers at http://127.0.0.1:9"),
  });
}, 120_000);
