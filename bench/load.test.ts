import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bodyOf } from "./bodies";
import { bearer } from "./dialect";
import { Floor } from "./floor-store";
import { requestHead } from "./http-connection";
import { type LoadResult, once, runLoad, type Step, stored } from "./load";
import { median, percentile } from "./percentiles";
import { selfTimes } from "./profile";
import { table } from "./table";

const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close().closeAllConnections();
});

async function serve(listener: RequestListener): Promise<URL> {
  const server = createServer(listener);
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return new URL(`http://127.0.0.1:${address.port}`);
}

const body = bodyOf(1, 300_000);
const read = (url: URL): Step => ({
  request: { head: bearer("k").head("GET", url.host, "/a") },
  expected: { status: 200, body: body.bytes },
});

function load(url: URL, step: Step, maxOperations = 40): Promise<LoadResult> {
  return runLoad({ url, concurrency: 4, warmUpMs: 0, durationMs: 20_000, maxOperations, step: () => step });
}

test("every answer is counted once, with its bytes, over one connection a worker", async () => {
  let requests = 0;
  let connections = 0;
  const url = await serve((_, res) => {
    requests += 1;
    res.writeHead(200, { "Content-Length": body.bytes.length }).end(body.bytes);
  });
  open[0]?.on("connection", () => {
    connections += 1;
  });
  const result = await load(url, read(url));
  expect(result.errors).toBe(0);
  expect(result.operations).toBe(requests);
  expect(result.operations).toBeGreaterThanOrEqual(40);
  expect(connections).toBe(4);
  expect(result.bytesPerSecond * result.seconds).toBeCloseTo(result.operations * body.bytes.length, 0);
  expect(result.p50Ms).toBeLessThanOrEqual(result.p95Ms);
  expect(result.p95Ms).toBeLessThanOrEqual(result.p99Ms);
});

test("what begins within the warm-up is not counted", async () => {
  let requests = 0;
  const url = await serve((_, res) => {
    requests += 1;
    res.writeHead(200, { "Content-Length": 0 }).end();
  });
  const step = {
    request: { head: requestHead("GET", "/", { host: url.host }) },
    expected: { status: 200 },
  };
  const result = await runLoad({ url, concurrency: 1, warmUpMs: 100, durationMs: 100, step: () => step });
  expect(result.operations).toBeGreaterThan(0);
  expect(result.operations).toBeLessThan(requests);
});

const send = (res: ServerResponse, bytes: Buffer) =>
  res.writeHead(200, { "Content-Length": bytes.length }).end(bytes);

describe("a wrong answer is an error and no operation", () => {
  const wrongByte = Buffer.from(body.bytes);
  wrongByte[250_000] = (wrongByte[250_000] ?? 0) ^ 1;
  test.each<[string, RequestListener, string]>([
    ["one wrong bit", (_, res) => send(res, wrongByte), "differs"],
    ["a body that is too short", (_, res) => send(res, body.bytes.subarray(0, -1)), "bytes, got 299999"],
    ["a body that is too long", (_, res) => send(res, Buffer.concat([body.bytes, body.bytes])), "differs"],
    [
      "another status",
      (_, res) => res.writeHead(503, { "Content-Length": 4 }).end("away"),
      "expected status 200, got 503 away",
    ],
    ["a cut connection", (_, res) => res.destroy(), "closed"],
    ["no Content-Length", (_, res) => void res.writeHead(200).write("x"), "without Content-Length"],
  ])("%s", async (_name, listener, sentence) => {
    const url = await serve(listener);
    const result = await load(url, read(url));
    expect(result.operations).toBe(0);
    expect(result.errors).toBeGreaterThan(0);
    expect(result.firstError).toContain("GET /a HTTP/1.1: ");
    expect(result.firstError).toContain(sentence);
  });

  test("another ETag than the MD5 of what was sent, or a text that lacks what it must hold", async () => {
    const url = await serve((req, res) => {
      req.resume().on("end", () => res.writeHead(200, { ETag: '"0"', "Content-Length": 3 }).end("abc"));
    });
    const head = requestHead("PUT", "/a", { host: url.host, bodyBytes: body.bytes.length });
    const put = { request: { head, body: body.bytes }, expected: stored(body) };
    await expect(once(url, put)).rejects.toThrow(`expected the ETag "${body.md5}", got "0"`);
    await expect(once(url, { ...put, expected: { status: 200, text: "b" } })).resolves.toBeUndefined();
    await expect(once(url, { ...put, expected: { status: 200, text: "d" } })).rejects.toThrow("lacks d: abc");
  });
});

test("percentiles are by nearest rank, the median of an even count lies between", () => {
  const values = Array.from({ length: 200 }, (_, index) => 200 - index);
  expect([0.5, 0.95, 0.99, 1].map((fraction) => percentile(values, fraction))).toEqual([100, 190, 198, 200]);
  expect(percentile([7], 0.99)).toBe(7);
  expect([median([3, 1, 2]), median([4, 1, 3, 2])]).toEqual([2, 2.5]);
});

test("the floor answers small and large bodies as they were sent, the last one under a name", async () => {
  const folder = mkdtempSync(join(tmpdir(), "cairn-floor-test-"));
  const floor = await Floor.open(folder);
  try {
    const url = await serve((req, res) => void floor.handle(req, res));
    for (const [seed, sizeBytes] of [
      [1, 4096],
      [2, 3 * 1024 * 1024 + 5],
      [3, 2 * 1024 * 1024],
    ] as const) {
      const sent = bodyOf(seed, sizeBytes);
      const path = sizeBytes > 1024 * 1024 ? "/large" : "/small";
      const head = requestHead("PUT", path, { host: url.host, bodyBytes: sizeBytes });
      await once(url, { request: { head, body: sent.bytes }, expected: stored(sent) });
      const get = requestHead("GET", path, { host: url.host });
      await once(url, { request: { head: get }, expected: { status: 200, body: sent.bytes } });
    }
  } finally {
    await floor.close();
    rmSync(folder, { recursive: true });
  }
});

test("self time is told by part, file and function, idle time left out", () => {
  const frame = (id: number, functionName: string, url: string, lineNumber: number) => ({
    id,
    callFrame: { functionName, url, lineNumber },
  });
  const profile = {
    startTime: 5_000,
    nodes: [
      frame(1, "(idle)", "", -1),
      frame(2, "put", "file:///x/dist/cairn.js", 2),
      frame(3, "read", "file:///x/dist/cairn.js", 4),
      frame(4, "step", "file:///x/node_modules/@node-rs/crc32/index.js", 9),
    ],
    samples: [2, 1, 2, 3, 4, 3],
    timeDeltas: [500, 100, 30, 60, 10, 500],
  };
  const bundle = "start\n// services/object/put.ts\nput\n// services/common/rpc/local.ts\nread\n";
  // Preparation and the end lie outside.
  const { busy, functions, files, folders } = selfTimes(profile, bundle, [{ from: 5_501, to: 5_700 }]);
  expect(busy).toBe(0.5);
  expect(functions[0]).toEqual({ where: "read  services/common/rpc/local.ts", share: 0.6 });
  expect(files.map(({ where }) => where)).toEqual([
    "services/common/rpc/local.ts",
    "services/object/put.ts",
    "node_modules/@node-rs/crc32/index.js",
  ]);
  expect(folders.map(({ where }) => where)).toEqual([
    "services/common/rpc",
    "services/object",
    "node_modules/@node-rs/crc32",
  ]);
});

test("a table is as wide as what stands in it", () => {
  expect(table(["case", "n"], [["a", "10"]])).toBe("case   n\n----  --\na     10");
});
