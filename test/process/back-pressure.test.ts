import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type EmbeddedProcess, serveCairn } from "../support/cairn-process";
import { Http } from "../support/http";
import { peaksDuring, residentMib } from "../support/memory";
import { pushUntilStopped, stalledReader } from "../support/slow-clients";
import { until } from "../support/until";

/** Back-pressure from end to end (I7), seen from outside: the memory of the real process while somebody is slow. */

const mib = 1024 * 1024;
const bigBytes = 512 * mib;
const adminKey = "s3_key_9a41c0ffd26e4b7f8c15d3e2a6b7098f9a41c0ffd26e4b7f8c15d3e2a6b7098f";

let folder: string;
let store: EmbeddedProcess;
let http: Http;
const block = randomBytes(mib);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cairn-slow-"));
  store = await serveCairn(folder, { ADMIN_API_KEY: adminKey });
  http = new Http(store.url, adminKey);
  await http.ask("PUT", "/slow");
  const put = await http.ask("PUT", "/slow/big", {
    body: blocks(),
    headers: { "content-length": String(bigBytes) },
  });
  expect(put.status).toBe(200);
}, 120_000);
afterAll(async () => {
  http?.close();
  await store?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

async function* blocks(): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < bigBytes; sent += mib) yield block;
}

const memoryMib = () => residentMib(store.child.pid as number);

/** The most memory that is seen while `work` runs. */
async function peakDuring(work: Promise<unknown>): Promise<number> {
  const [peak] = await peaksDuring([store.child.pid as number], work);
  return peak ?? Number.NaN;
}

test("a reader that stops stops the store's reading: memory does not follow the object's size", async () => {
  const before = await memoryMib();
  const socket = await stalledReader(http, "/slow/big");
  const peak = await peakDuring(delay(2_500));
  expect(peak - before).toBeLessThan(64);
  let received = 0;
  socket.on("data", (chunk: Buffer) => {
    received += chunk.length;
  });
  const whole = await peakDuring(once(socket, "end"));
  expect(received).toBeGreaterThanOrEqual(bigBytes);
  expect(whole - before).toBeLessThan(150);
}, 60_000);

test("thirty readers that stop at once hold a bounded share each, and all of it is released when they go", async () => {
  const before = await memoryMib();
  const sockets = await Promise.all(Array.from({ length: 30 }, () => stalledReader(http, "/slow/big")));
  const peak = await peakDuring(delay(2_500));
  // A reader may hold a chunk in each hand and a socket's buffer, not the object.
  expect(peak - before).toBeLessThan(30 * 8);
  expect((await http.ask("PUT", "/slow/meanwhile", { body: "x" })).status).toBe(200);
  for (const socket of sockets) socket.destroy();
  await until(async () => {
    const metrics = await http.ask("GET", "/_/metrics");
    return metrics.status === 200 && (await http.ask("GET", "/slow/meanwhile")).text === "x";
  });
}, 60_000);

test("two hundred slow downloads in turn leave no memory behind", async () => {
  const rounds = async (times: number) => {
    for (let time = 0; time < times; time++) {
      const sockets = await Promise.all(Array.from({ length: 20 }, () => stalledReader(http, "/slow/big")));
      for (const socket of sockets) socket.destroy();
    }
  };
  await rounds(4);
  const before = await memoryMib();
  await rounds(6);
  expect((await memoryMib()) - before).toBeLessThan(100);
}, 60_000);

test("an uploader that sends slowly holds little; many at once too", async () => {
  const before = await memoryMib();
  const sockets = Array.from({ length: 30 }, (_, number) => {
    const socket = http.socket();
    socket.on("error", () => {});
    socket.write(`${http.head("PUT", `/slow/up-${number}`, `Content-Length: ${bigBytes}`)}\r\n`);
    socket.write(randomBytes(300_000));
    return socket;
  });
  const peak = await peakDuring(delay(2_500));
  expect(peak - before).toBeLessThan(30 * 8);
  for (const socket of sockets) socket.destroy();
  const keys = (await http.ask("GET", "/slow?prefix=up-")).json.objects;
  expect(keys).toEqual([]);
}, 60_000);

test("a store that stops taking stops the uploader: a stopped process takes no more than the kernel's buffers", async () => {
  const socket = http.socket();
  socket.on("error", () => {});
  socket.write(`${http.head("PUT", "/slow/stopped", `Content-Length: ${bigBytes}`)}\r\n`);
  await new Promise((resolve) => socket.write(block, resolve));
  const before = await memoryMib();
  store.child.kill("SIGSTOP");
  let pushed: number;
  try {
    pushed = await pushUntilStopped(socket, block, bigBytes - 2 * mib);
  } finally {
    store.child.kill("SIGCONT");
  }
  expect(pushed).toBeLessThan(64 * mib);
  const peak = await peakDuring(until(async () => (await http.ask("GET", "/slow")).status === 200));
  expect(peak - before).toBeLessThan(100);
  socket.destroy();
}, 60_000);

test("an upload below the minimum rate is given up with 408 and leaves nothing; one above it lives", async () => {
  const slow = http.socket();
  const steady = http.socket();
  const answers = { slow: "", steady: "" };
  slow.setEncoding("latin1").on("data", (data: string) => {
    answers.slow += data;
  });
  steady.setEncoding("latin1").on("data", (data: string) => {
    answers.steady += data;
  });
  const steadyBytes = 200 * 1024;
  slow.write(`${http.head("PUT", "/slow/too-slow", "Content-Length: 1000000")}\r\nabc`);
  steady.write(`${http.head("PUT", "/slow/steady", `Content-Length: ${steadyBytes}`)}\r\n`);
  let sent = 0;
  const startedAtMs = performance.now();
  while (answers.slow === "" && performance.now() - startedAtMs < 45_000) {
    await delay(500);
    if (sent < steadyBytes - 2048) sent += steady.write(Buffer.alloc(2048, "s")) ? 2048 : 2048;
  }
  expect(answers.slow).toMatch(/^HTTP\/1\.1 408 /);
  expect(answers.slow).toContain("RequestTimeout");
  expect(answers.steady).toBe("");
  steady.write(Buffer.alloc(steadyBytes - sent, "s"));
  await until(() => answers.steady.includes("200 OK"));
  expect((await http.ask("HEAD", "/slow/too-slow")).status).toBe(404);
  expect((await http.ask("HEAD", "/slow/steady")).headers["content-length"]).toBe(String(steadyBytes));
  slow.destroy();
  steady.destroy();
}, 60_000);
