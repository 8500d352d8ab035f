import { eventually } from "../object/testing/test-store";
import { openWholeStore, type WholeStore } from "./testing/whole-store";

/** The admin API's verbs of healing, on a whole store. */

let store: WholeStore;

beforeAll(async () => {
  store = await openWholeStore();
  await store.fetch("/healed", { method: "PUT" });
  await store.fetch("/healed/a%20key", { method: "PUT", body: "three copies" });
});
afterAll(() => store.close());

const api = async (method: string, path: string, body?: unknown) => {
  const response = await store.fetch(`/_/api/v1${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, json: text === "" ? undefined : JSON.parse(text) };
};
const nodes = async () => (await api("GET", "/nodes")).json.nodes;

test("an object's bytes are located on three living nodes", async () => {
  const { status, json } = await api("GET", "/buckets/healed/locate?key=a%20key");
  expect(status).toBe(200);
  expect(json).toMatchObject({ key: "a key", sizeBytes: 12 });
  const [{ copies }] = json.blobs;
  expect(new Set(copies.map((copy: { nodeId: string }) => copy.nodeId)).size).toBe(3);
  expect(copies.every((copy: { alive: boolean; state: string }) => copy.alive && copy.state === "good")).toBe(
    true,
  );
  expect((await api("GET", "/buckets/healed/locate?key=none")).status).toBe(404);
  expect((await api("GET", "/buckets/no-such-bucket/locate?key=a")).status).toBe(404);
});

test("a drain is begun, seen, and taken back", async () => {
  const [first] = await nodes();
  const volumeId = first.volumes[0].id;
  expect(await api("POST", "/drain", { id: first.id })).toMatchObject({
    status: 200,
    json: { volumeIds: [volumeId] },
  });
  const draining = async () =>
    (await nodes()).find((node: { id: string }) => node.id === first.id).volumes[0].draining;
  await eventually("the volume is seen draining", draining);
  await eventually("the drain is seen", async () =>
    (await api("GET", "/healing")).json.walks.some(
      (walk: { kind: string; volumeId: string }) => walk.kind === "drain" && walk.volumeId === volumeId,
    ),
  );
  // Alive and holding copies: it may not be forgotten.
  expect((await api("POST", "/remove", { id: volumeId })).status).toBe(409);
  expect((await api("POST", "/remove", { id: volumeId, lost: true })).status).toBe(409);
  expect((await api("POST", "/drain", { id: volumeId, cancel: true })).status).toBe(200);
  await eventually("it takes blobs again", async () => !(await draining()));
});

test("scrub and rebalance begin, and healing tells how far they are", async () => {
  const scrub = await api("POST", "/scrub", {});
  expect(scrub.status).toBe(200);
  expect(scrub.json.volumeIds).toHaveLength(3);
  expect((await api("POST", "/rebalance")).status).toBe(204);
  const { status, json } = await api("GET", "/healing");
  expect(status).toBe(200);
  expect(json.queues).toEqual({ repairs: 0, repairsWaiting: 0, deletes: 0, purges: 0 });
  expect(json.walks.filter((walk: { kind: string }) => walk.kind === "scrub")).toHaveLength(3);
});

test("a sound volume verifies deep without findings", async () => {
  const [first] = await nodes();
  const { status, json } = await api("POST", `/volumes/${first.volumes[0].id}/verify`, { deep: true });
  expect(status).toBe(200);
  expect(json).toMatchObject({ findings: [], next: null });
  expect(json.checked).toBeGreaterThan(0);
});

test("what does not exist is 404, what is no id 400, and nobody but admins may", async () => {
  const stranger = "01932c07-2a4b-7d3e-9f10-8a6b5c4d3e2f";
  expect((await api("POST", "/drain", { id: stranger })).status).toBe(404);
  expect((await api("POST", "/remove", { id: stranger })).status).toBe(404);
  expect((await api("POST", "/scrub", { id: stranger })).status).toBe(404);
  expect((await api("POST", "/drain", { id: "node-1" })).status).toBe(400);
  const key = await store.makeKey({ userName: "no-admin", permissions: ["read", "write"] });
  for (const [method, path] of [
    ["GET", "/healing"],
    ["POST", "/rebalance"],
    ["GET", "/buckets/healed/locate?key=a%20key"],
  ] as const)
    expect((await store.fetch(`/_/api/v1${path}`, { method, key: key.text })).status).toBe(403);
});
