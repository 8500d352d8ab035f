import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

/** The rule that holds DESIGN §4 is itself tried: a tree with planted violations, and one without. */
const root = resolve(__dirname, "..");
const folders: string[] = [];

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** The violations of a tree of files, as `rule: from -> to`. */
function violations(files: Record<string, string>): string[] {
  const folder = mkdtempSync(join(tmpdir(), "cairn-imports-"));
  folders.push(folder);
  const all = { "tsconfig.json": '{"compilerOptions":{"module":"preserve"}}', ...files };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const cruiser = join(root, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
  const config = join(root, ".dependency-cruiser.cjs");
  const args = [cruiser, "--config", config, "--output-type", "json", "services"];
  let text: string;
  try {
    text = execFileSync(process.execPath, args, { cwd: folder, encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    // It exits with the number of violations, and has printed its report.
    text = (error as { stdout: string }).stdout;
  }
  const report = JSON.parse(text) as {
    summary: { violations: { rule: { name: string }; from: string; to: string }[] };
  };
  return report.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`).sort();
}

const sound = {
  "gen/cairn/bucket/v1/bucket_pb.ts": "export const BucketService = 1;",
  "services/common/clock.ts": "export const clock = 1;",
  "services/bucket/store.ts": 'import { clock } from "../common/clock"; export const store = clock;',
  "services/bucket/buckets.ts": 'import { store } from "./store"; export const buckets = store;',
  "services/bucket/rpc.ts": 'import { buckets } from "./buckets"; export const rpc = buckets;',
  "services/bucket/open.ts": 'import { rpc } from "./rpc"; export const openBucket = rpc;',
  "services/identity/open.ts": "export const openIdentity = 1;",
  "services/gateway/open.ts":
    'import { BucketService } from "../../gen/cairn/bucket/v1/bucket_pb"; export const openGateway = BucketService;',
  "services/gateway/edge.test.ts": 'import { openBucket } from "../bucket/open"; openBucket;',
  "services/compose.ts":
    'import { openBucket } from "./bucket/open"; import { openGateway } from "./gateway/open"; export const open = [openBucket, openGateway];',
};

test("a tree that follows DESIGN §4 passes, a test that stands on its neighbours included", () => {
  expect(violations(sound)).toEqual([]);
});

test("each import against the direction is caught and named", () => {
  const found = violations({
    ...sound,
    "services/bucket/borrowed.ts":
      'import type { openIdentity } from "../identity/open"; export type A = typeof openIdentity;',
    "services/common/known.ts":
      'import { openBucket } from "../bucket/open"; export const known = openBucket;',
    "services/gateway/direct.ts": 'import { store } from "../bucket/store"; export const direct = store;',
    "services/identity/composed.ts": 'import { open } from "../compose"; export const composed = open;',
    "services/bucket/inward.ts": 'import { rpc } from "./rpc"; export const inward = rpc;',
    "services/bucket/store/documents.ts":
      'import { buckets } from "../buckets"; export const kept = buckets;',
    "services/object/egg.ts": 'import { hen } from "./hen"; export const egg = () => hen;',
    "services/object/hen.ts": 'import { egg } from "./egg"; export const hen = () => egg;',
    "services/storage/lost.ts": 'import { nowhere } from "./nowhere"; export const lost = nowhere;',
    "services/metadata/tried.ts": 'import { used } from "./testing/used"; export const tried = used;',
    "services/metadata/testing/used.ts": "export const used = 1;",
  });
  expect(found).toEqual(
    expect.arrayContaining([
      "no-other-service: services/bucket/borrowed.ts -> services/identity/open.ts",
      "common-knows-no-service: services/common/known.ts -> services/bucket/open.ts",
      "gateway-knows-contracts-only: services/gateway/direct.ts -> services/bucket/store.ts",
      "services-know-no-composition: services/identity/composed.ts -> services/compose.ts",
      "rpc-is-the-outermost: services/bucket/inward.ts -> services/bucket/rpc.ts",
      "store-knows-no-logic: services/bucket/store/documents.ts -> services/bucket/buckets.ts",
      "no-circular: services/object/egg.ts -> services/object/hen.ts",
      "no-unresolvable: services/storage/lost.ts -> ./nowhere",
      "production-needs-no-test: services/metadata/tried.ts -> services/metadata/testing/used.ts",
    ]),
  );
});
