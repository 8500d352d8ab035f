import type { TestPostgres } from "./postgres";

export default async function globalTeardown(): Promise<void> {
  await (globalThis as { cairnTestPostgres?: TestPostgres }).cairnTestPostgres?.destroy();
}
