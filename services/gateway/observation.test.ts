import { once } from "node:events";
import { connect } from "node:net";
import { createLogger } from "../common/log/logger";
import { openWholeStore, type WholeStore } from "./testing/whole-store";

const lines: string[] = [];
let store: WholeStore;
beforeAll(async () => {
  const log = createLogger({
    level: "info",
    pretty: false,
    destination: { write: (line: string) => void lines.push(line) },
  });
  store = await openWholeStore({ log });
  await store.fetch("/seen", { method: "PUT" });
});
afterAll(() => store.close());

const logged = () => lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === "request");

test("each request is one line that names it, and no secret is in any", async () => {
  lines.length = 0;
  const put = await store.fetch("/seen/k", { method: "PUT", body: "12345" });
  await store.fetch("/seen/absent?response-content-type=secret-in-query");
  await store.fetch("/seen/k", { key: "s3_key_a-wrong-one" });
  const made = await store.makeKey({ userName: "alice", permissions: ["read"] });
  while (logged().length < 5) await new Promise(setImmediate);
  const [first, second, third] = logged();
  expect(first).toMatchObject({
    method: "PUT",
    path: "/seen/k",
    operation: "PutObject",
    status: 200,
    bytesIn: 5,
    requestId: put.headers.get("x-amz-request-id"),
    ms: expect.any(Number),
  });
  expect(second).toMatchObject({ status: 404, reason: "NO_SUCH_KEY_IN_BUCKET", path: "/seen/absent" });
  expect(third).toMatchObject({ status: 401, reason: "INVALID_KEY" });
  expect(logged()).toHaveLength(5);
  for (const secret of [store.adminKey, made.text, "a-wrong-one", "secret-in-query"])
    expect(lines.join("")).not.toContain(secret);
});

test("a client's trace context is taken over only when it is valid", async () => {
  const { isTraceparent } = await import("./http/exchange");
  expect(isTraceparent(`00-${"a".repeat(32)}-${"b".repeat(16)}-01`)).toBe(true);
  expect(isTraceparent(`00-${"0".repeat(32)}-${"b".repeat(16)}-01`)).toBe(false);
  expect(isTraceparent(`00-${"a".repeat(32)}-${"0".repeat(16)}-01`)).toBe(false);
  expect(isTraceparent("anything")).toBe(false);
});

test("a client that leaves in the middle of a download or an upload ends the request at once", async () => {
  await store.fetch("/seen/big", { method: "PUT", body: Buffer.alloc(64 * 1024 * 1024) });
  const start = async (request: string) => {
    const socket = connect(store.port, "127.0.0.1");
    await once(socket, "connect");
    socket.write(`${request} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${store.adminKey}\r\n`);
    return socket;
  };
  // Of an upload the server may see the body's early end before it sees that nobody is there any more.
  const gone = async (operation: string) => {
    const isGone = (line: { operation: string; reason?: string }) =>
      line.operation === operation && (line.reason === "CLIENT_GONE" || line.reason === "SIZE_MISMATCH");
    while (!logged().some(isGone)) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const download = await start("GET /seen/big");
  download.write("\r\n");
  await once(download, "data");
  download.resetAndDestroy();
  await gone("GetObject");
  const upload = await start("PUT /seen/left");
  upload.write("Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n");
  await once(upload, "data");
  upload.write("begin");
  upload.resetAndDestroy();
  await gone("PutObject");
  expect((await store.fetch("/seen/left", { method: "HEAD" })).status).toBe(404);
});

test("a download is not read faster than its client takes it", async () => {
  const before = process.memoryUsage().rss;
  const sockets = [];
  for (let i = 0; i < 4; i++) {
    const socket = connect(store.port, "127.0.0.1");
    socket.write(`GET /seen/big HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${store.adminKey}\r\n\r\n`);
    await once(socket, "readable");
    sockets.push(socket);
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
  for (const socket of sockets) socket.destroy();
});
