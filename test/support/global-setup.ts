import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { startPostgres } from "./postgres";

/** A fresh build, for tests that start real processes, and one PostgreSQL for the whole run. */
export default async function globalSetup(): Promise<void> {
  execFileSync(process.execPath, [join(__dirname, "../../scripts/build.mjs")], {
    cwd: join(__dirname, "../.."),
    stdio: "inherit",
  });
  const server = await startPostgres();
  process.env.CAIRN_TEST_POSTGRES = server.url;
  (globalThis as { cairnTestPostgres?: unknown }).cairnTestPostgres = server;
}
