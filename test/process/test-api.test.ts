import { execFile, execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSplit } from "../faults/support/split";
import { serveCairn } from "../support/cairn-process";
import { Http } from "../support/http";

/** The script that users try a store with, against real stores; the images' own run is by hand (CONTRIBUTING). */

const script = join(__dirname, "../../test-api.sh");
const adminKey = "s3_key_4ab1c9e0d7f25386a1b0c9d8e7f6a5b44ab1c9e0d7f25386a1b0c9d8e7f6a5b4";
const hasCurl = (() => {
  try {
    execFileSync("curl", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    console.log("test-api.sh is not tried: curl is not installed");
    return false;
  }
})();

function runScript(url: string, key: string): Promise<{ code: number; lines: string[] }> {
  return new Promise((resolve) => {
    const env = { PATH: process.env.PATH, HOME: process.env.HOME, API_KEY: key, GATEWAY_URL: url };
    execFile(script, { env, maxBuffer: 8 * 1024 * 1024 }, (error, stdout) => {
      resolve({ code: typeof error?.code === "number" ? error.code : 0, lines: stdout.split("\n") });
    });
  });
}

/** Nothing failed, much was tried, and what was there before is all that is there afterwards. */
async function passesAndLeavesNothing(url: string, key: string): Promise<void> {
  const http = new Http(url, key);
  try {
    const left = async () => [
      (await http.ask("GET", "/")).json.buckets.length,
      (await http.ask("GET", "/_/api/v1/users")).json.users.length,
    ];
    const before = await left();
    const { code, lines } = await runScript(url, key);
    expect(lines.filter((line) => line.startsWith("FAIL"))).toEqual([]);
    expect(lines.filter((line) => line.startsWith("ok")).length).toBeGreaterThan(200);
    expect(code).toBe(0);
    expect(await left()).toEqual(before);
  } finally {
    http.close();
  }
}

const onRealStores = hasCurl ? describe : describe.skip;

onRealStores("test-api.sh", () => {
  test("passes on the embedded store; with a wrong key it says so and fails", async () => {
    const folder = await mkdtemp(join(tmpdir(), "cairn-test-api-"));
    const store = await serveCairn(folder, { ADMIN_API_KEY: adminKey, RATE_LIMIT: "0" });
    try {
      await passesAndLeavesNothing(store.url, adminKey);
      const refused = await runScript(store.url, adminKey.replace("4ab1", "4ab2"));
      expect(refused.code).not.toBe(0);
    } finally {
      await store.stop();
      await rm(folder, { recursive: true, force: true });
    }
  }, 180_000);

  test("passes on the split store", async () => {
    const split = await openSplit({});
    try {
      await passesAndLeavesNothing(split.store.url, split.store.adminKey);
    } finally {
      await split.close();
    }
  }, 240_000);
});
