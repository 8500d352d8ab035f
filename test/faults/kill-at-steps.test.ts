import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, open, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CairnProcess, type EmbeddedProcess, serveCairn, startCairn } from "../support/cairn-process";
import { until } from "../support/until";
import { nothingIsLeftOver, removeAll, temporaryFiles, whatIsWrong } from "./support/checks";
import { MixedLoad, putObjects } from "./support/mixed-load";
import { namedInSqlite } from "./support/named-replicas";
import { buildPlantedCairn, type NamedStep, namedSteps } from "./support/planted-store";
import { type Random, seededRandom, seedOfRun } from "./support/random";
import { StoreClient } from "./support/store-client";

/**
 * A store that is killed by kill -9 exactly at a named step (support/named-steps.mjs), one step after the other.
 * CAIRN_KILL_STEPS=all is the whole proof, with a look for left-overs after each; without it one step of each family,
 * another one in each run, and one look at the end.
 */
const all = process.env.CAIRN_KILL_STEPS === "all";
/** For what takes a second; a machine may have much else to do. */
const patienceMs = 60_000;
const bucket = "steps";
const adminKey = "s3_key_5d0e9f2c7be14a3899d1c5f60b72ae34c8d1f09a6b5e4d3c2b1a09f8e7d6c5b4";
const unnamedCopies = "all copies are durable, the commit is not asked for";

let folder: string;
let program: string;
let random: Random;
let store: EmbeddedProcess | undefined;
let client: StoreClient;
let env: Record<string, string>;
let load: MixedLoad;

beforeAll(async () => {
  random = seededRandom(seedOfRun("kill at steps"));
  [program, folder] = await Promise.all([
    buildPlantedCairn("named-steps"),
    mkdtemp(join(tmpdir(), "cairn-steps-")),
  ]);
  env = {
    ADMIN_API_KEY: adminKey,
    DELETE_GRACE: "500ms",
    ORPHAN_GRACE: "1s",
    STORAGE_RESERVE: "64MiB",
    LOG_LEVEL: "warn",
    CAIRN_STEPS: join(__dirname, "support/stop-at-step.cjs"),
    CAIRN_STOP: join(folder, "stop"),
  };
  store = await serve();
  client = new StoreClient(store.url, adminKey);
  await client.expect([200], "PUT", `/${bucket}`);
  load = new MixedLoad(client, bucket, random);
}, 90_000);
afterAll(async () => {
  client?.close();
  await store?.stop("SIGKILL");
  for (const end of ["", ".map"]) rmSync(`${program}${end}`, { force: true });
  await rm(folder, { recursive: true, force: true });
});

test("the product itself holds no step to be killed at", () => {
  const product = readFileSync(join(__dirname, "../../dist/cairn.js"), "utf8");
  expect(product).not.toMatch(/CAIRN_STEPS|CAIRN_STOP/);
  expect(readFileSync(program, "utf8").match(/process\.env\.CAIRN_STEPS/g)).toHaveLength(namedSteps().length);
});

const families = new Map<string, NamedStep[]>();
for (const step of namedSteps()) families.set(step.family, [...(families.get(step.family) ?? []), step]);

test.each([...families])(
  "kill -9 at the steps of %s: nothing acknowledged is lost, nothing is half there, nothing is left over",
  async (family, steps) => {
    const chosen = all ? steps : [random.pick(steps)];
    for (const step of chosen) {
      await killAt(step);
      const { wrong, ...observed } = await whatIsWrong(client, load, "touched");
      expect({ step: step.name, wrong }).toEqual({ step: step.name, wrong: [] });
      // The whole store died with the client's requests: nothing of them can still happen.
      load.settle(observed);
      if (all) await isClean();
    }
    process.stdout.write(
      `${family}: killed at ${chosen.length} of ${steps.length} steps, ${load.acknowledged} acknowledged so far\n`,
    );
  },
  120_000 + (all ? 600_000 : 0),
);

test("after all of them everything is right, and when it is deleted not one replica is left", async () => {
  expect((await whatIsWrong(client, load, "all")).wrong).toEqual([]);
  await isClean();
  await removeAll(client);
  expect(await store?.stop()).toBe(0);
}, 90_000);

function serve(): Promise<EmbeddedProcess> {
  return serveCairn(join(folder, "data"), env, [], { program });
}

/** Lets the store come to the step, where it kills itself, and starts it again. */
async function killAt(step: NamedStep): Promise<void> {
  if (step.by === "orphans") await killAt({ ...step, name: unnamedCopies, by: "load" });
  const died = step.by === "load" || step.by === "damage" ? store : await restartToDie(step.name);
  if (died === undefined) throw new Error("no store runs");
  try {
    if (step.by === "damage") {
      const damaged = await damageACopy();
      arm(step.name);
      await readUntilEnded(died, damaged);
    } else if (step.by === "load") {
      const before = load.acknowledged;
      load.start();
      // Something was acknowledged since the last start, and is at stake.
      await until(() => load.acknowledged >= before + 15, patienceMs);
      arm(step.name);
    }
    await ends(died, step.name);
  } finally {
    // When it did not come to the step, too: the next one begins from a store that serves.
    disarm();
    await died.stop("SIGKILL");
    await load.stop();
    store = await serve();
    client.url = store.url;
  }
}

async function restartToDie(step: string): Promise<CairnProcess> {
  await store?.stop("SIGKILL");
  arm(step);
  return startCairn(
    ["serve", "--data", join(folder, "data"), "--port", "0"],
    { RATE_LIMIT: "0", ...env },
    { program },
  );
}

async function ends(died: CairnProcess, step: string): Promise<void> {
  const signalled = () => died.child.signalCode === "SIGKILL";
  await until(signalled, patienceMs).catch((error: unknown) => {
    const last = died.lines.slice(-10).join("\n");
    throw new Error(`the store did not come to the step "${step}":\n${last}`, { cause: error });
  });
}

function arm(step: string): void {
  writeFileSync(env.CAIRN_STOP as string, step);
}

function disarm(): void {
  rmSync(env.CAIRN_STOP as string, { force: true });
}

/** One copy of a small and of a large object has a wrong bit from now on. Answers their keys. */
async function damageACopy(): Promise<string[]> {
  const prefix = `damaged-${random.whole(1e9)}`;
  const bodies = await putObjects(client, bucket, random, [90_000, 2_500_000], prefix);
  for (const [key, { bytes, md5 }] of bodies) {
    load.know(key, md5);
    const root = join(folder, "data", `node-${1 + random.whole(3)}`);
    const { path, at } = await placeOf(root, bytes.subarray(0, 512));
    await flipABit(path, at + 100);
  }
  return [...bodies.keys()];
}

/** This byte alone: what the store appends to the file meanwhile stays. */
async function flipABit(path: string, at: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    await file.write(Buffer.from([(byte[0] as number) ^ 0x10]), 0, 1, at);
  } finally {
    await file.close();
  }
}

/** A read meets the damage once it asks the copy that has it. */
async function readUntilEnded(died: CairnProcess, keys: readonly string[]): Promise<void> {
  for (let reads = 0; reads < 200 && died.child.signalCode === null; reads++)
    await client.try("GET", `/${bucket}/${keys[reads % keys.length]}`);
}

async function placeOf(root: string, bytes: Buffer): Promise<{ path: string; at: number }> {
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    // Compaction may have removed it meanwhile.
    const at = (await readFile(path).catch(() => Buffer.alloc(0))).indexOf(bytes);
    if (at >= 0) return { path, at };
  }
  throw new Error(`no file below ${root} holds the bytes`);
}

/** The queues run empty, volumes and metadata agree, and no file of a broken write stays. */
async function isClean(): Promise<void> {
  await nothingIsLeftOver(client, namedInSqlite(join(folder, "data")));
  let left: string[] = [];
  await until(async () => {
    left = await temporaryFiles(join(folder, "data"));
    return left.length === 0;
  }).catch(() => expect(left).toEqual([]));
}
