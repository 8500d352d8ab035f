import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EmbeddedProcess, serveCairn } from "../../support/cairn-process";
import type { Place } from "./streams";

const adminKey = "s3_key_91c5f60b72ae34c8d1f09a6b5e4d3c2b1a09f8e7d6c5b45d0e9f2c7be14a3899";

/** An embedded store as `npm start` runs it, in a folder of its own. */
export type Embedded = Place & { readonly process: EmbeddedProcess; close(): Promise<void> };

export async function openEmbeddedStore(): Promise<Embedded> {
  const folder = await mkdtemp(join(tmpdir(), "cairn-real-"));
  const started = await serveCairn(folder, { ADMIN_API_KEY: adminKey, LOG_LEVEL: "warn" });
  return {
    url: started.url,
    adminKey,
    process: started,
    close: async () => {
      await started.stop("SIGKILL");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export async function makeBucket({ url, adminKey: key }: Place, name: string): Promise<string> {
  const answer = await fetch(`${url}/${name}`, {
    method: "PUT",
    headers: { authorization: `Bearer ${key}` },
  });
  if (answer.status !== 200) throw new Error(`bucket ${name}: ${answer.status}`);
  return name;
}
