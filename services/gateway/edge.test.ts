import { once } from "node:events";
import { connect } from "node:net";
import { ManualClock } from "../common/time/manual-clock";
import { openWholeStore, type WholeStore } from "./testing/whole-store";

let store: WholeStore;
beforeAll(async () => {
  store = await openWholeStore({ config: { maxBodyBytes: 1024 * 1024, idleSocketMs: 60_000 } });
  await store.fetch("/edge", { method: "PUT" });
});
afterAll(() => store.close());

const auth = () => `Host: x\r\nAuthorization: Bearer ${store.adminKey}\r\n`;
const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
const exists = async (key: string) => (await store.fetch(`/edge/${key}`, { method: "HEAD" })).status === 200;

describe("requests that two readers could read differently are refused", () => {
  test.each([
    ["two Host fields", () => `GET / HTTP/1.1\r\nHost: a\r\n${auth()}\r\n`],
    ["no Host field", () => `GET / HTTP/1.1\r\nAuthorization: Bearer ${store.adminKey}\r\n\r\n`],
    ["two keys", () => `GET / HTTP/1.1\r\n${auth()}Authorization: Bearer other\r\n\r\n`],
    ["an absolute-form target", () => `GET http://x/edge/k HTTP/1.1\r\n${auth()}Connection: close\r\n\r\n`],
    ["a fragment", () => `GET /edge/k#x HTTP/1.1\r\n${auth()}Connection: close\r\n\r\n`],
    ["an asterisk target", () => `OPTIONS * HTTP/1.1\r\n${auth()}Connection: close\r\n\r\n`],
    [
      "two lengths",
      () => `PUT /edge/k HTTP/1.1\r\n${auth()}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`,
    ],
    [
      "the same length twice",
      () => `PUT /edge/k HTTP/1.1\r\n${auth()}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`,
    ],
    ["a length that is none", () => `PUT /edge/k HTTP/1.1\r\n${auth()}Content-Length: -1\r\n\r\na`],
    [
      "length and chunks",
      () =>
        `PUT /edge/k HTTP/1.1\r\n${auth()}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n`,
    ],
    [
      "chunks and length",
      () =>
        `PUT /edge/k HTTP/1.1\r\n${auth()}Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n1\r\na\r\n0\r\n\r\n`,
    ],
    [
      "another last coding",
      () => `PUT /edge/k HTTP/1.1\r\n${auth()}Transfer-Encoding: chunked, gzip\r\n\r\na`,
    ],
    ["a space before the colon", () => `GET / HTTP/1.1\r\nHost : x\r\n\r\n`],
    [
      "bad percent encoding",
      () => `PUT /edge/%zz HTTP/1.1\r\n${auth()}Connection: close\r\nContent-Length: 1\r\n\r\na`,
    ],
    [
      "NUL in the key",
      () => `PUT /edge/a%00b HTTP/1.1\r\n${auth()}Connection: close\r\nContent-Length: 1\r\n\r\na`,
    ],
    [
      "invalid UTF-8",
      () => `PUT /edge/%ff HTTP/1.1\r\n${auth()}Connection: close\r\nContent-Length: 1\r\n\r\na`,
    ],
    [
      "too long a key",
      () =>
        `PUT /edge/${"k".repeat(1025)} HTTP/1.1\r\n${auth()}Connection: close\r\nContent-Length: 1\r\n\r\na`,
    ],
  ])("%s", async (_name, request) => {
    const answer = await store.raw(request(), { endAfter: true });
    expect(statusOf(answer)).toBe(400);
    const listed = await (await store.fetch("/edge")).json();
    expect(listed.objects).toEqual([]);
  });

  test("too large a header is 431", async () => {
    expect(
      statusOf(
        await store.raw(`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${"a".repeat(20_000)}\r\n\r\n`, {
          endAfter: true,
        }),
      ),
    ).toBe(431);
  });
});

describe("a body that is cut off leaves nothing", () => {
  test("a client that ends its half of the connection early is told", async () => {
    const answer = await store.raw(`PUT /edge/cut HTTP/1.1\r\n${auth()}Content-Length: 10\r\n\r\nabc`, {
      endAfter: true,
    });
    expect(statusOf(answer)).toBe(400);
    expect(answer).toContain("IncompleteBody");
    expect(await exists("cut")).toBe(false);
  });

  test("a client that goes away", async () => {
    const socket = connect(store.port, "127.0.0.1");
    await once(socket, "connect");
    socket.write(`PUT /edge/gone HTTP/1.1\r\n${auth()}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`);
    await new Promise(setImmediate);
    socket.resetAndDestroy();
    await once(socket, "close");
    expect(await exists("gone")).toBe(false);
  });

  test("broken chunks", async () => {
    const answer = await store.raw(
      `PUT /edge/broken HTTP/1.1\r\n${auth()}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n`,
    );
    expect(statusOf(answer)).toBe(400);
    expect(await exists("broken")).toBe(false);
  });
});

test("what follows a body of the said length is not part of it", async () => {
  const answer = await store.raw(
    `PUT /edge/longer HTTP/1.1\r\n${auth()}Content-Length: 3\r\n\r\nabcdef\r\n\r\n`,
  );
  expect(statusOf(answer)).toBe(200);
  expect(answer).toContain("HTTP/1.1 400");
  expect(await (await store.fetch("/edge/longer")).text()).toBe("abc");
});

test("PUT without length and coding is 411", async () => {
  const answer = await store.raw(`PUT /edge/none HTTP/1.1\r\n${auth()}Connection: close\r\n\r\n`);
  expect(statusOf(answer)).toBe(411);
});

test("100 Continue is sent only when the request may go on", async () => {
  const request = (path: string, key: string) =>
    `PUT ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\n`;
  const refused = await store.raw(request("/edge/expected", "s3_key_wrong"));
  expect(refused).toMatch(/^HTTP\/1\.1 401/);
  expect(await store.raw(request("/no-such-bucket/k", store.adminKey))).toMatch(/^HTTP\/1\.1 404/);
  const accepted = await store.raw(`${request("/edge/expected", store.adminKey)}abc`);
  expect(accepted).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
});

test("an object larger than allowed is refused, said or not said, and the client can read why", async () => {
  const body = Buffer.alloc(1024 * 1024 + 1);
  const said = await store.fetch("/edge/large", { method: "PUT", body });
  expect([said.status, (await said.json()).error.code]).toEqual([400, "EntityTooLarge"]);
  const stream = new Blob([body]).stream();
  const unsaid = await store.fetch("/edge/large", {
    method: "PUT",
    body: stream,
    duplex: "half",
  } as RequestInit);
  expect([unsaid.status, (await unsaid.json()).error.code]).toEqual([400, "EntityTooLarge"]);
  expect(await exists("large")).toBe(false);
});

test("a request id, an error document and a hint come with every refusal", async () => {
  const json = await store.fetch("/no-such-bucket/k");
  const { error } = await json.json();
  expect(json.headers.get("x-amz-request-id")).toBe(error.requestId);
  expect(error).toMatchObject({
    code: "NoSuchBucket",
    message: expect.any(String),
    resource: expect.any(String),
  });
  const anonymous = await store.fetch("/edge", { key: null });
  expect([
    anonymous.status,
    anonymous.headers.get("content-type"),
    anonymous.headers.get("www-authenticate"),
  ]).toEqual([401, "application/xml", 'Bearer realm="cairn"']);
  expect(await anonymous.text()).toContain("<Error><Code>AccessDenied</Code>");
  const head = await store.fetch("/no-such-bucket", { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([404, ""]);
});

test("a slow upload is given up with 408, and the connection with it", async () => {
  const clock = new ManualClock(Date.now());
  const slow = await openWholeStore({ clock, config: { bodyRateWindowMs: 10_000 } });
  try {
    await slow.fetch("/edge", { method: "PUT" });
    let answered = false;
    const answer = slow
      .raw(
        `PUT /edge/slow HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${slow.adminKey}\r\nContent-Length: 100\r\n\r\nabc`,
      )
      .finally(() => {
        answered = true;
      });
    while (!answered) {
      clock.advance(1000);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(await answer).toMatch(/^HTTP\/1\.1 408/);
    expect(await answer).toContain("Connection: close");
    expect((await slow.fetch("/edge/slow", { method: "HEAD" })).status).toBe(404);
  } finally {
    await slow.close();
  }
});

test("a reader that stalls is cut off", async () => {
  // Far longer than the sync at the end of the upload, during which its connection rests too.
  const stalling = await openWholeStore({ config: { idleSocketMs: 5_000 } });
  try {
    await stalling.fetch("/edge", { method: "PUT" });
    await stalling.fetch("/edge/big", { method: "PUT", body: Buffer.alloc(32 * 1024 * 1024) });
    const others = await stalling.connections();
    const socket = connect(stalling.port, "127.0.0.1");
    socket.pause();
    socket.write(`GET /edge/big HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${stalling.adminKey}\r\n\r\n`);
    const open = async (count: number) => {
      while ((await stalling.connections()) !== count)
        await new Promise((resolve) => setTimeout(resolve, 20));
    };
    await open(others + 1);
    await open(others);
    socket.destroy();
  } finally {
    await stalling.close();
  }
});

test("drain finishes what is in flight and takes nothing new", async () => {
  const draining = await openWholeStore();
  await draining.fetch("/edge", { method: "PUT" });
  const socket = connect(draining.port, "127.0.0.1");
  let answer = "";
  socket.setEncoding("latin1").on("data", (data: string) => {
    answer += data;
  });
  socket.write(
    `PUT /edge/k HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${draining.adminKey}\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n`,
  );
  while (!answer.includes("100 Continue")) await once(socket, "data");
  const drained = draining.drain();
  await expect(fetch(`http://127.0.0.1:${draining.port}/health`)).rejects.toThrow();
  socket.write("abc");
  await once(socket, "end");
  expect(answer).toContain("HTTP/1.1 200 OK");
  await drained;
  await draining.close();
});
