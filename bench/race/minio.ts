import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../services/cli/free-port";
import { startTarget, type Target } from "../target";
import { sigV4 } from "./sigv4";

/** MinIO on four drives with two of them for parity, which is what three copies compare with: any two may be lost. */
export async function startMinio(program: string, folder: string): Promise<Target> {
  const drives = [1, 2, 3, 4].map((number) => join(folder, "minio", `drive-${number}`));
  for (const drive of drives) mkdirSync(drive, { recursive: true });
  const credentials = { accessKey: "bench", secretKey: randomBytes(16).toString("hex"), region: "us-east-1" };
  const port = await freePort();
  return startTarget({
    name: "minio",
    program,
    args: ["server", "--address", `127.0.0.1:${port}`, ...drives],
    folder,
    env: {
      MINIO_ROOT_USER: credentials.accessKey,
      MINIO_ROOT_PASSWORD: credentials.secretKey,
      MINIO_STORAGE_CLASS_STANDARD: "EC:2",
      MINIO_BROWSER: "off",
      MINIO_UPDATE: "off",
      // It refuses drives on the disk of the root folder unless it takes itself for tested.
      MINIO_CI_CD: "1",
    },
    dialect: sigV4(credentials),
    url: new URL(`http://127.0.0.1:${port}`),
    readyPath: "/minio/health/cluster",
  });
}
