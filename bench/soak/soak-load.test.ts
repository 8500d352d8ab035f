import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { seededRandom } from "../../test/faults/support/random";
import { StoreClient } from "../../test/faults/support/store-client";
import { until } from "../../test/support/until";
import { SoakLoad } from "./soak-load";

/** What a store that is not sound does now and then. */
type Lie = "none" | "stale read" | "lost write" | "half a listing" | "delete that does nothing" | "busy";

const bucket = "soak";

/** A store in memory, just as much as the load asks for, that lies in one way. */
async function serve(lie: Lie): Promise<{ url: string; verbs: Set<string>; close(): void }> {
  const objects = new Map<string, { bytes: Buffer; etag: string }>();
  const verbs = new Set<string>();
  let requests = 0;
  const answer = async (req: IncomingMessage, res: ServerResponse) => {
    const parts: Buffer[] = [];
    for await (const part of req) parts.push(part);
    requests += 1;
    const url = new URL(req.url ?? "", "http://store");
    const key = url.pathname.slice(bucket.length + 2);
    const found = objects.get(key);
    const send = (status: number, body: Buffer | string = "", etag = "") =>
      res.writeHead(status, { etag: `"${etag}"`, "content-length": Buffer.byteLength(body) }).end(body);
    if (lie === "busy" && requests % 20 === 0) return send(503);
    if (url.searchParams.has("list-type")) {
      verbs.add("LIST");
      const prefix = url.searchParams.get("prefix") ?? "";
      const all = [...objects].filter(([name]) => name.startsWith(prefix));
      const listed = lie === "half a listing" ? all.slice(0, all.length >> 1) : all;
      return send(200, JSON.stringify({ objects: listed.map(([name, { etag }]) => ({ key: name, etag })) }));
    }
    const source = req.headers["x-amz-copy-source"];
    verbs.add(source === undefined ? (req.method ?? "") : "COPY");
    if (req.method === "PUT") {
      const bytes = Buffer.concat(parts);
      const from = objects.get(String(source).slice(bucket.length + 2));
      const put = from ?? { bytes, etag: createHash("md5").update(bytes).digest("hex") };
      if (lie !== "lost write" || requests % 10 !== 0) objects.set(key, put);
      return send(200, "", put.etag);
    }
    if (req.method === "DELETE") {
      if (lie !== "delete that does nothing") objects.delete(key);
      return send(204);
    }
    if (found === undefined) return send(404);
    const bytes = lie === "stale read" && found.bytes.length > 0 ? found.bytes.subarray(1) : found.bytes;
    return req.method === "HEAD" ? send(200, "", found.etag) : send(200, bytes, found.etag);
  };
  const server = createServer((req, res) => void answer(req, res));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    verbs,
    close: () => server.close().closeAllConnections(),
  };
}

async function soak(lie: Lie, answers: number): Promise<{ load: SoakLoad; verbs: Set<string> }> {
  const server = await serve(lie);
  const client = new StoreClient(server.url, "key");
  try {
    const load = new SoakLoad(client, bucket, seededRandom(1), 4);
    load.start();
    await until(() => load.answered >= answers || load.wrong.length > 0, 30_000);
    await load.stop();
    await load.settle();
    return { load, verbs: server.verbs };
  } finally {
    client.close();
    server.close();
  }
}

test("a sound store is found sound by every verb", async () => {
  const { load, verbs } = await soak("none", 600);
  expect(load.wrong).toEqual([]);
  expect(load.unknown).toBe(0);
  expect([...verbs].sort()).toEqual(["COPY", "DELETE", "GET", "HEAD", "LIST", "PUT"]);
});

test("an answer that leaves the outcome open is no fault", async () => {
  const { load } = await soak("busy", 300);
  expect(load.unknown).toBeGreaterThan(5);
  expect(load.wrong).toEqual([]);
});

test.each<[Lie, string]>([
  ["stale read", "GET "],
  ["lost write", " in place of "],
  ["half a listing", "LIST "],
  ["delete that does nothing", "in place of absent"],
])("%s is noticed", async (lie, sentence) => {
  const { load } = await soak(lie, 5_000);
  expect(load.wrong.join("\n")).toContain(sentence);
});
