import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MetadataService } from "../../gen/cairn/metadata/v1/metadata_pb";
import { StorageService } from "../../gen/cairn/storage/v1/storage_pb";
import type { RunningService } from "../common/lifecycle/running-service";
import { silentLogger } from "../common/log/logger";
import { createMetrics } from "../common/metrics/metrics";
import { newCall } from "../common/rpc/call";
import { localClient } from "../common/rpc/local";
import { systemClock } from "../common/time/clock";
import { defaultMetadataConfig } from "../metadata/config";
import { openMetadata } from "../metadata/open";
import { storageDefaults } from "../storage/config";
import { nodeDisk } from "../storage/node-disk";
import { openStorage } from "../storage/open";
import { openObject } from "./open";
import { faultyMetadata, faultyStorage, MetadataFaults, NodeFaults } from "./testing/faults";
import { eventually, quickConfig } from "./testing/test-store";

const common = { clock: systemClock, log: silentLogger };
let folder: string;
let metadata: RunningService<typeof MetadataService>;
let node: RunningService<typeof StorageService>;
let faults: NodeFaults;
let metadataFaults: MetadataFaults;
let running: Awaited<ReturnType<typeof openObject>> | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cairn-heartbeat-"));
  const metrics = createMetrics({ defaults: false });
  metadata = await openMetadata({
    database: { kind: "sqlite", path: join(folder, "metadata.db") },
    config: defaultMetadataConfig,
    metrics,
    ...common,
  });
  const config = {
    ...storageDefaults,
    folders: [join(folder, "a"), join(folder, "b")],
    reserveBytes: 0,
    zone: "east",
  };
  node = await openStorage({
    config,
    disk: nodeDisk,
    metrics: createMetrics({ defaults: false }),
    ...common,
  });
  faults = new NodeFaults();
  metadataFaults = new MetadataFaults();
  running = undefined;
});

afterEach(async () => {
  await running?.close();
  await node.close();
  await metadata.close();
  await rm(folder, { recursive: true, force: true });
});

async function open(addresses = ["storage:7881"]) {
  const client = faultyStorage(localClient(StorageService, node.service), faults);
  running = await openObject({
    metadata: faultyMetadata(localClient(MetadataService, metadata.service), metadataFaults),
    nodes: addresses.map((address) => ({ address, client })),
    config: quickConfig,
    random: Math.random,
    metrics: createMetrics({ defaults: false }),
    ...common,
  });
  return running;
}

const view = async () => (await running?.service.getCluster({} as never, newCall()))?.nodes ?? [];

test("a node and its volumes are registered when first met, and not again", async () => {
  await open();
  const { nodes } = await localClient(MetadataService, metadata.service).listNodes({}, newCall());
  expect(nodes).toHaveLength(1);
  expect(nodes[0]).toMatchObject({ address: "storage:7881", zone: "east" });
  expect(nodes[0]?.volumes).toHaveLength(2);
  await running?.close();
  await open();
  expect(metadataFaults.sent.filter((kind) => kind === "registerNode")).toHaveLength(1);
});

test("a node that does not answer is dead until it answers", async () => {
  await open();
  expect((await view())[0]?.alive).toBe(true);
  faults.down = true;
  await eventually("it is dead", async () => (await view())[0]?.alive === false);
  expect((await running?.health())?.map((one) => one.ok)).toEqual([true, false]);
  faults.down = false;
  await eventually("it is alive", async () => (await view())[0]?.alive === true);
});

test("opening does not wait for a node that is away", async () => {
  faults.down = true;
  await open();
  expect((await view())[0]?.alive).toBe(false);
});

test("opening waits for a node that answers late: who says that it is ready takes writes", async () => {
  faults.lateHeartbeats = 5;
  await open();
  expect(await view()).toMatchObject([{ alive: true }]);
  expect(metadataFaults.sent).toContain("registerNode");
});

test("opening waits a little for metadata that is not there yet", async () => {
  metadataFaults.unavailable = true;
  const opening = open();
  await eventually("the node was asked", () => metadataFaults.refused > 0);
  metadataFaults.unavailable = false;
  await opening;
  expect(metadataFaults.sent).toContain("registerNode");
});

test("metadata away at first: the node is registered when it is back", async () => {
  metadataFaults.unavailable = true;
  await open();
  metadataFaults.unavailable = false;
  await eventually("it is registered", () => metadataFaults.sent.includes("registerNode"));
});

test("a volume that is alive elsewhere is refused", async () => {
  await open(["one:7881", "two:7881"]);
  const volumes = (await view()).map((one) => one.volumes?.length);
  expect(volumes.sort()).toEqual([0, 2]);
});

test("volumes follow the metadata's history at once, and no delete is held", async () => {
  await open();
  const volumes = (await view()).flatMap((one) => one.volumes ?? []);
  expect(volumes.map((volume) => volume.deleteHold)).toEqual(["", ""]);
});
