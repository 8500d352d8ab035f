import { startPostgres } from "./postgres";

/** One PostgreSQL for the whole run; each test makes databases of its own on it. */
export default async function globalSetup(): Promise<void> {
  const server = await startPostgres();
  process.env.CAIRN_TEST_POSTGRES = server.url;
  (globalThis as { cairnTestPostgres?: unknown }).cairnTestPostgres = server;
}
