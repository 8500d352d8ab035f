import { connect, createServer, type Server, type Socket } from "node:net";
import { MetadataService } from "../../gen/cairn/metadata/v1/metadata_pb";
import { newId } from "../common/ids/uuid";
import { silentLogger } from "../common/log/logger";
import { createMetrics } from "../common/metrics/metrics";
import { newCall } from "../common/rpc/call";
import { localClient } from "../common/rpc/local";
import { createTestDatabase, databaseEngines } from "../common/sql/test-databases";
import { systemClock } from "../common/time/clock";
import { defaultMetadataConfig } from "./config";
import { openMetadata } from "./open";
import { MetadataFixture, reasonOf } from "./testing/metadata-fixture";

describe.each(databaseEngines)("time on %s", (engine) => {
  test("with a history window removed versions keep their bytes until it has passed", async () => {
    const meta = await MetadataFixture.open(engine, { historyWindowMs: 60_000, deleteGraceMs: 0 });
    const bucket = await meta.bucket();
    const blob = meta.blob();
    await meta.put(bucket, "k", { blob, etag: "1" });
    await meta.put(bucket, "k", { etag: "2" });
    await meta.run("purge", { limit: 100 });
    expect(await meta.takeDeletes()).toEqual([]);
    expect((await meta.get(bucket, "k")).version?.content?.etag).toBe("2");
    meta.clock.advance(60_001);
    await meta.run("purge", { limit: 100 });
    expect((await meta.takeDeletes()).map((pair) => pair.blobId)).toEqual(Array(3).fill(blob.blobId));
    await meta.delete(bucket, "k");
    expect(reasonOf(await meta.run("deleteBucket", { bucketId: bucket.id }))).toBe("done");
    await meta.close();
  });

  test("a log keeps its last changes; who is further behind is told, and the mark still proves the history", async () => {
    const meta = await MetadataFixture.open(engine, { changesKept: 5 });
    const bucket = await meta.bucket();
    const { current: early } = await meta.client.checkHistory({}, meta.call);
    for (let index = 0; index < 12; index += 1) await meta.put(bucket, `k${index}`);
    await meta.run("purge", { limit: 100 });
    const read = (afterNumber: bigint) =>
      meta.client.readChanges({ bucketId: bucket.id, afterNumber, limit: 100 }, meta.call);
    await expect(read(0n)).rejects.toMatchObject({ reason: "CHANGES_GONE" });
    const { current: now } = await meta.client.checkHistory({}, meta.call);
    const last = Number(now?.changeNumber ?? 0n);
    expect((await read(BigInt(last - 5))).changes.length).toBeLessThanOrEqual(5);
    if (early === undefined) throw new Error("no position");
    expect((await meta.client.checkHistory({ remembered: early }, meta.call)).confirmed).toBe(true);
    const other = { ...early, markCommandId: newId() };
    expect((await meta.client.checkHistory({ remembered: other }, meta.call)).confirmed).toBe(false);
    await meta.close();
  });
});

/** A wire to PostgreSQL that a test can cut. */
class Wire {
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();

  constructor(
    readonly port: number,
    readonly target: URL,
  ) {}

  async join(): Promise<number> {
    this.#server = createServer((near) => {
      const far = connect(Number(this.target.port), this.target.hostname);
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => {
          near.destroy();
          far.destroy();
        });
      }
      near.pipe(far);
      far.pipe(near);
    });
    const server = this.#server;
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
    return (server.address() as { port: number }).port;
  }

  async cut(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
    await new Promise((resolve) => this.#server?.close(resolve));
  }
}

test("PostgreSQL away at start and away later: METADATA_UNAVAILABLE, and recovery without a restart", async () => {
  const place = await createTestDatabase("postgres", "metadata");
  if (place.config.kind !== "postgres") throw new Error("not PostgreSQL");
  const target = new URL(place.config.url);
  const first = new Wire(0, target);
  const port = await first.join();
  await first.cut();
  const url = new URL(target.href);
  url.hostname = "127.0.0.1";
  url.port = String(port);
  const running = await openMetadata({
    database: { ...place.config, url: url.href },
    config: defaultMetadataConfig,
    clock: systemClock,
    log: silentLogger,
    metrics: createMetrics({ defaults: false }),
  });
  const client = localClient(MetadataService, running.service);
  const createBucket = (name: string) =>
    client.execute(
      {
        commands: [
          {
            id: newId(),
            change: { case: "createBucket", value: { bucketId: newId(), name, ownerId: newId() } },
          },
        ],
      },
      newCall(),
    );
  for (const name of ["first-time", "second-time"]) {
    await expect(createBucket(name)).rejects.toMatchObject({ reason: "METADATA_UNAVAILABLE" });
    const wire = new Wire(port, target);
    await wire.join();
    expect((await createBucket(name)).outcomes[0]?.result.case).toBe("bucket");
    expect(await running.health()).toMatchObject([{ ok: true }]);
    await wire.cut();
  }
  await running.close();
  await place.drop();
});
