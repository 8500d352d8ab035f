import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Floor } from "./floor-store";

/**
 * The floor: what the machine gives to a bare node:http server that does the system calls of a store with three
 * copies, and nothing else: no authentication, no metadata, no fail-over, nothing that would be found again after a
 * restart. Run by run.ts as a process of its own; prints its address, ends at SIGTERM.
 */
async function main(): Promise<void> {
  const parent = process.argv[2] ?? tmpdir();
  const folder = mkdtempSync(join(parent, "cairn-floor-"));
  const floor = await Floor.open(folder);
  const server = createServer((req, res) => {
    floor.handle(req, res).catch((error: unknown) => {
      process.stderr.write(`floor: ${error instanceof Error ? error.stack : String(error)}\n`);
      res.destroy();
    });
  });
  server.requestTimeout = 0;
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    if (address !== null && typeof address === "object")
      process.stdout.write(`Address http://127.0.0.1:${address.port}\n`);
  });
  process.once("SIGTERM", () => {
    server.closeAllConnections();
    server.close(() => {
      floor
        .close()
        .catch(() => {})
        .finally(() => rmSync(folder, { recursive: true, force: true }));
    });
  });
}

main().catch((error: unknown) => {
  process.stderr.write(`floor: ${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
});
