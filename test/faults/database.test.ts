import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../../services/cli/free-port";
import { startCairn } from "../support/cairn-process";
import { startOwnPostgres } from "../support/own-postgres";
import { until } from "../support/until";
import { nothingIsLeftOver, whatIsWrong } from "./support/checks";
import { MixedLoad } from "./support/mixed-load";
import { namedInPostgres } from "./support/named-replicas";
import { seededRandom, seedOfRun } from "./support/random";
import { openSplit, type Split, shortGraces } from "./support/split";
import { StoreClient } from "./support/store-client";

const databaseKills = Number(process.env.CAIRN_DATABASE_KILLS ?? 3);

test("PostgreSQL killed and started again under load: nothing acknowledged is lost, no process is started anew", async () => {
  const random = seededRandom(seedOfRun("database killed"));
  const postgres = await startOwnPostgres();
  let split: Split | undefined;
  try {
    split = await openSplit(shortGraces, postgres.url);
    const { client } = split;
    await client.expect([200], "PUT", "/killed");
    const load = new MixedLoad(client, "killed", random, 4);
    for (let kill = 1; kill <= databaseKills; kill++) {
      load.start();
      await delay(500 + random.whole(1_000));
      await postgres.kill();
      await delay(random.whole(800));
      await postgres.start();
      await until(async () => (await client.try("PUT", "/killed/probe")).kind !== "unknown", 30_000);
      await delay(300);
      await load.stop();
      await client.expect([204], "DELETE", "/killed/probe");
      const { wrong } = await whatIsWrong(client, load, "touched");
      expect({ kill, wrong: withoutOwnBucket(wrong) }).toEqual({ kill, wrong: [] });
      load.touched.clear();
    }
    expect(withoutOwnBucket((await whatIsWrong(client, load, "all")).wrong)).toEqual([]);
    await nothingIsLeftOver(client, namedInPostgres(postgres.url));
    expect(load.acknowledged).toBeGreaterThan(20);
  } finally {
    await split?.close();
    await postgres.destroy();
  }
}, 180_000);

test("two metadata processes on one PostgreSQL: one killed under load loses nothing, and the other goes on", async () => {
  const random = seededRandom(seedOfRun("two metadata processes"));
  const split = await openSplit();
  const { store, client } = split;
  const env = (port: number, more: Record<string, string>) => ({
    ...shortGraces,
    ...more,
    PORT: `${port}`,
    OPS_PORT: "0",
    CAIRN_DATA: split.folder,
    CLUSTER_SECRET: store.clusterSecret,
    DATABASE_URL: split.databaseUrl,
    RATE_LIMIT: "0",
    STORAGE_URLS: (["storage-1", "storage-2", "storage-3"] as const)
      .map((node) => `127.0.0.1:${store.ports[node]}`)
      .join(","),
    IDENTITY_URL: `127.0.0.1:${store.ports.identity}`,
  });
  const [metadataPort, bucketPort, objectPort, gatewayPort] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
    freePort(),
  ]);
  const METADATA_URL = `127.0.0.1:${metadataPort}`;
  const [BUCKET_URL, OBJECT_URL] = [`127.0.0.1:${bucketPort}`, `127.0.0.1:${objectPort}`];
  const second = [
    startCairn(["service", "metadata"], env(metadataPort, {})),
    startCairn(["service", "bucket"], env(bucketPort, { METADATA_URL })),
    startCairn(["service", "object"], env(objectPort, { METADATA_URL })),
    startCairn(["service", "gateway"], env(gatewayPort, { BUCKET_URL, OBJECT_URL })),
  ];
  const other = new StoreClient(`http://127.0.0.1:${gatewayPort}`, store.adminKey);
  try {
    await Promise.all(second.map((service) => service.line(/service listens/)));
    await client.expect([200], "PUT", "/shared");
    await until(async () => (await other.try("HEAD", "/shared")).kind === "done");
    const through = [
      new MixedLoad(client, "shared", random, 3),
      new MixedLoad(other, "beside", random, 3),
    ] as const;
    await other.expect([200], "PUT", "/beside");
    for (const load of through) load.start();
    const [first, otherLoad] = through;
    await until(() => first.acknowledged > 20 && otherLoad.acknowledged > 20, 30_000);
    await store.process("metadata").stop("SIGKILL");
    // Its locks die with its connections: the other one's work goes on.
    const atKill = otherLoad.acknowledged;
    await until(() => otherLoad.acknowledged > atKill + 10, 30_000);
    await store.start("metadata");
    await until(async () => (await client.try("PUT", "/shared/probe")).kind !== "unknown", 30_000);
    await Promise.all(through.map((load) => load.stop()));
    await client.expect([204], "DELETE", "/shared/probe");
    expect(otherLoad.reasons).toEqual([]);
    // Each side sees its own through the other's metadata too.
    for (const load of through) {
      for (const by of [client, other])
        expect(withoutOwnBucket((await whatIsWrong(by, load, "all")).wrong)).toEqual([]);
    }
    await nothingIsLeftOver(client, namedInPostgres(split.databaseUrl));
  } finally {
    other.close();
    await Promise.all(second.map((service) => service.stop()));
    await split.close();
  }
}, 180_000);

/** Buckets that belong to the rest of the test. */
function withoutOwnBucket(wrong: readonly string[]): string[] {
  return wrong.filter((what) => !/^bucket (faults|shared|beside|scratch-\S+) is unknown$/.test(what));
}
