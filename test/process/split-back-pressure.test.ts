import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { openSplit, type Split } from "../faults/support/split";
import { Http } from "../support/http";
import { peaksDuring, residentMib } from "../support/memory";
import { pushUntilStopped, stalledReader } from "../support/slow-clients";
import type { SplitService } from "../support/split-store";
import { until } from "../support/until";

/** Back-pressure through every process of the split store (I7): client, gateway, object service, storage nodes. */

const mib = 1024 * 1024;
const bigBytes = 512 * mib;
const block = randomBytes(mib);
const storageNodes = ["storage-1", "storage-2", "storage-3"] as const;
const onTheWay: readonly SplitService[] = ["gateway", "object", ...storageNodes];

let split: Split;
let http: Http;

beforeAll(async () => {
  split = await openSplit({});
  http = new Http(split.store.url, split.store.adminKey);
  const put = await http.ask("PUT", `/${split.bucket}/big`, {
    body: blocks(),
    headers: { "content-length": String(bigBytes) },
  });
  expect(put.status).toBe(200);
}, 180_000);
afterAll(async () => {
  http?.close();
  await split?.close();
}, 60_000);

async function* blocks(): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < bigBytes; sent += mib) yield block;
}

const pids = () => onTheWay.map((service) => split.store.process(service).child.pid as number);

/** How much the memory of each process grew at most while `work` ran, in MiB, by service. */
async function growthDuring(work: Promise<unknown>): Promise<Record<string, number>> {
  const before = await Promise.all(pids().map(residentMib));
  const peaks = await peaksDuring(pids(), work);
  return Object.fromEntries(
    onTheWay.map((service, index) => [service, (peaks[index] ?? 0) - (before[index] ?? 0)]),
  );
}

test("thirty readers that stop hold a bounded share in every process", async () => {
  const readers: Awaited<ReturnType<typeof stalledReader>>[] = [];
  const growth = await growthDuring(
    (async () => {
      for (let count = 0; count < 30; count++)
        readers.push(await stalledReader(http, `/${split.bucket}/big`));
      await delay(2_500);
    })(),
  );
  for (const [service, grown] of Object.entries(growth))
    expect({ service, holdsItsShare: grown < 30 * 8, grown }).toMatchObject({ holdsItsShare: true });
  expect((await http.ask("PUT", `/${split.bucket}/meanwhile`, { body: "x" })).status).toBe(200);
  for (const reader of readers) reader.destroy();
}, 120_000);

test("storage nodes that stop taking stop the uploader, and none of the processes between them fills up", async () => {
  const socket = http.socket();
  socket.on("error", () => {});
  let answer = "";
  socket.setEncoding("latin1").on("data", (data: string) => {
    answer += data;
  });
  socket.write(`${http.head("PUT", `/${split.bucket}/stopped`, `Content-Length: ${bigBytes}`)}\r\n`);
  await new Promise((resolve) => socket.write(block, resolve));
  const stopped = storageNodes.map((node) => split.store.process(node).child);
  for (const child of stopped) child.kill("SIGSTOP");
  let pushed = 0;
  try {
    const growth = await growthDuring(
      pushUntilStopped(socket, block, bigBytes - 2 * mib).then((bytes) => {
        pushed = bytes;
      }),
    );
    expect(pushed).toBeLessThan(96 * mib);
    for (const [service, grown] of Object.entries(growth))
      expect({ service, staysSmall: grown < 128, grown }).toMatchObject({ staysSmall: true });
  } finally {
    for (const child of stopped) child.kill("SIGCONT");
  }
  // Nodes that stood still for so long may have been given up: the upload ends with an error then, never half done.
  socket.destroy();
  expect(answer === "" || /^HTTP\/1\.1 503 /.test(answer)).toBe(true);
  await until(
    async () => (await http.ask("PUT", `/${split.bucket}/after`, { body: "y" })).status === 200,
    60_000,
  );
  expect((await http.ask("HEAD", `/${split.bucket}/stopped`)).status).toBe(404);
}, 180_000);
