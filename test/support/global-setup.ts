import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { startPostgres } from "./postgres";

const root = join(__dirname, "../..");

/** A fresh build, for tests that start real processes, and one PostgreSQL for the whole run. */
export default async function globalSetup(): Promise<void> {
  try {
    execFileSync(process.execPath, [join(root, "scripts/build.mjs")], { cwd: root, stdio: "inherit" });
  } catch {
    // Suites that start no process run all the same; those that do fail at their first line.
    process.stderr.write("the build failed: suites that start real processes will fail\n");
  }
  const server = await startPostgres();
  process.env.CAIRN_TEST_POSTGRES = server.url;
  (globalThis as { cairnTestPostgres?: unknown }).cairnTestPostgres = server;
}
