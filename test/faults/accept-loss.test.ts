import { cpSync, readFileSync, renameSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Journal, JournalOptions } from "../../services/common/journal/journal";
import { type EmbeddedProcess, serveCairn, startCairn } from "../support/cairn-process";
import { until } from "../support/until";
import { bodyOf, type FolderName, JournalWorld, whatLies } from "./support/journal-world";
import { type Random, seededRandom, seedOfRun } from "./support/random";
import { StoreClient } from "./support/store-client";

/** CAIRN_JOURNAL_SEEDS=20000 for a long look. */
const seeds = Number(process.env.CAIRN_JOURNAL_SEEDS ?? 40);

const textsOf = async (journal: Journal) => (await whatLies(journal)).map(({ text }) => text);

async function write(journal: Journal, texts: readonly string[]): Promise<void> {
  for (const text of texts) await journal.append("transaction", bodyOf(text));
}

async function untilLevel(journal: Journal): Promise<void> {
  await until(async () => {
    await journal.mend();
    const ends = journal.status().map(({ level, lastNumber }) => (level ? lastNumber : -1));
    return ends.every((end) => end > 0 && end === ends[0]);
  });
}

/** Three level folders with these records, closed. */
async function worldWith(texts: readonly string[], random: Random, bug?: JournalOptions["bug"]) {
  const world = new JournalWorld(random, bug);
  await world.makeFolders();
  const journal = await world.open();
  await write(journal, texts);
  await untilLevel(journal);
  await journal.close();
  return world;
}

const accept = { acceptLoss: true };

test("the word is refused while two folders are left, and when none is", async () => {
  const world = await worldWith(["1"], seededRandom(1));
  await expect(world.open(accept)).rejects.toThrow("No loss need be accepted: 3 of");
  world.missing.add("a");
  await expect(world.open(accept)).rejects.toThrow("No loss need be accepted: 2 of");
  world.missing.add("b").add("c");
  await expect(world.open(accept)).rejects.toThrow("No folder is left");
  world.missing.clear();
  await expect(world.open()).resolves.toBeDefined();
});

test("one folder alone does not carry the journal: an empty one is asked for", async () => {
  const world = await worldWith(["1"], seededRandom(2));
  world.missing.add("a").add("c");
  await expect(world.open(accept)).rejects.toThrow("Give an empty folder in the place of a lost one");
});

test("two journals that know nothing of each other: neither is chosen", async () => {
  const [world, other] = [await worldWith(["1"], seededRandom(3)), await worldWith(["2"], seededRandom(4))];
  await world.replace("a", new Map());
  const foreign = other.copyOf("c");
  await world.replace("c", foreign);
  await expect(world.open(accept)).rejects.toThrow("know nothing of each other");
});

/**
 * Two folders are lost, the word is given, the store goes on; then both come back as they were, and after that one of
 * them. Answers the records that are there at the end.
 */
async function formerFoldersComeBack(random: Random, bug?: JournalOptions["bug"]) {
  const world = await worldWith(["1", "2"], random, bug);
  // What the others alone hold: the third one fails meanwhile.
  world.missing.add("b");
  const without = await world.open();
  await write(without, ["lost"]);
  await without.close();
  world.missing.clear();
  const former = { a: world.copyOf("a"), c: world.copyOf("c") };
  await world.replace("a");
  await world.replace("c");
  await expect(world.open()).rejects.toThrow("`cairn admin accept-loss`");
  let journal = await world.open(accept);
  expect(await textsOf(journal)).toEqual(["1", "2"]);
  await write(journal, ["3"]);
  await untilLevel(journal);
  await journal.close();
  const present = world.copyOf("c");
  await world.replace("a", former.a);
  await world.replace("c", former.c);
  const both = await world.open().then(textsOf, (error: Error) => error.message);
  await world.replace("a", former.a);
  await world.replace("c", present);
  journal = await world.open();
  await untilLevel(journal);
  await write(journal, ["4"]);
  await journal.close();
  // The one that came back counts now: another may go.
  world.missing.add("b");
  journal = await world.open();
  const texts = await textsOf(journal);
  await journal.close();
  return { both, texts, aside: world.disks.a.paths().filter((path) => path.includes("set-aside")) };
}

test("former folders never count by themselves: both are refused, one is brought level as a new member", async () => {
  const { both, texts, aside } = await formerFoldersComeBack(seededRandom(5));
  expect(both).toMatch(/can be read in 1 of its 3 folders/);
  expect(texts).toEqual(["1", "2", "3", "4"]);
  expect(aside.length).toBeGreaterThan(0);
});

test("control: a journal whose former histories still count is caught", async () => {
  const { both } = await formerFoldersComeBack(seededRandom(5), "no-history");
  expect(both).toEqual(["1", "2", "lost"]);
});

test("power cuts while the word is carried out lose nothing that the survivor holds; the word can be given again", async () => {
  const first = seedOfRun("accept loss");
  for (let seed = first; seed < first + seeds; seed++) {
    const random = seededRandom(seed);
    const told = ["1", "2", "3"];
    const world = await worldWith(told, random);
    const survivor = random.pick(["a", "b", "c"] as const);
    const others = (["a", "b", "c"] as FolderName[]).filter((name) => name !== survivor);
    for (const name of others) await world.replace(name);
    let journal: Journal | undefined;
    for (let tries = 0; journal === undefined && tries < 6; tries++) {
      // Each folder is looked at before its power goes: a word that is given while one cannot be seen is another word.
      if (tries < 5)
        for (const disk of Object.values(world.disks)) disk.cutPowerAt = disk.changes + 2 + random.whole(14);
      const accepted = await world.open(accept).catch(() => undefined);
      world.crash();
      await accepted?.close().catch(() => {});
      // With its first record in two folders the new history has begun, and needs no word.
      journal = await world.open().catch(() => undefined);
    }
    expect({ seed, texts: await textsOf(journal as Journal) }).toEqual({ seed, texts: told });
    await (journal as Journal).close();
  }
});

const adminKey = "s3_key_9d1c5f60b72ae34c8d1f09a6b5e4d3c2b1a09f8e7d6c5b1c7be14a38995d0e9f2";
const env = { ADMIN_API_KEY: adminKey, STORAGE_RESERVE: "64MiB", LOG_LEVEL: "error", DELETE_GRACE: "1s" };

let folder: string;
let store: EmbeddedProcess | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cairn-accept-"));
});
afterEach(async () => {
  await store?.stop("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

test("a real store that lost two of three folders goes on by `cairn admin accept-loss`, and deletes nothing until `accept-history`", async () => {
  const roots = ["a", "b", "c"].map((name) => join(folder, name));
  const [a = "", b = "", c = ""] = roots;
  const data = roots.flatMap((root) => ["--data", root]);
  const serve = async () => {
    store = await serveCairn(a, env, data.slice(2));
    return new StoreClient(store.url, adminKey);
  };
  const run = async (...args: string[]) => {
    const command = startCairn(args, env);
    const code = await command.exited;
    return { code, said: command.lines.join("\n") };
  };
  const get = async (key: string) => (await client.expect([200], "GET", `/kept/${key}`)).body.toString();
  const stop = async () => {
    client.close();
    expect(await store?.stop()).toBe(0);
  };

  let client = await serve();
  await client.expect([200], "PUT", "/kept");
  for (const key of ["1", "2", "3"])
    await client.expect([200], "PUT", `/kept/${key}`, { body: Buffer.from(key) });
  await stop();
  const notYet = await run("admin", "accept-loss", ...data, "--yes");
  expect([notYet.code, notYet.said]).toEqual([1, expect.stringContaining("No loss need be accepted")]);
  cpSync(a, join(folder, "former-a"), { recursive: true });
  for (const root of [a, c]) rmSync(root, { recursive: true });

  const refused = await run("serve", ...data, "--port", "0");
  expect([refused.code, refused.said]).toEqual([1, expect.stringContaining("`cairn admin accept-loss`")]);
  const asked = await run("admin", "accept-loss", ...data);
  expect(asked.code).toBe(1);
  expect(asked.said).toContain(`one can be gone on from: ${join(b, "journal")}`);
  expect(asked.said).toContain("Nothing was changed");
  expect((await run("serve", ...data, "--port", "0")).code).toBe(1);
  const done = await run("admin", "accept-loss", ...data, "--yes");
  expect([done.code, done.said]).toEqual([0, expect.stringContaining("A new history has begun")]);

  client = await serve();
  for (const key of ["1", "2", "3"]) expect(await get(key)).toBe(key);
  const volumeId = JSON.parse(readFileSync(join(b, "node", "volume.json"), "utf8")).volumeId as string;
  const former = () =>
    client.nodes().then((nodes) => nodes.flatMap(({ volumes }) => volumes).find(({ id }) => id === volumeId));
  await until(async () => /follows history/.test((await former())?.deleteHold ?? ""), 30_000);
  const before = (await former())?.blobs;
  await client.expect([204], "DELETE", "/kept/3");
  const told = await run("admin", "nodes", "--url", store?.url ?? "", "--key", adminKey);
  expect(told.said).toContain("deletes held back: ");
  expect((await former())?.blobs).toBe(before);
  const accepted = await run("admin", "accept-history", "--url", store?.url ?? "", "--key", adminKey);
  expect(accepted.said).toContain(`volume ${volumeId} follows this history`);
  await until(
    async () => (await former())?.deleteHold === "" && ((await former())?.blobs ?? 0) < (before ?? 0),
    30_000,
  );
  await stop();

  // The former folder comes back whole: its journal is brought level, and what it says of the past undoes nothing.
  rmSync(a, { recursive: true });
  renameSync(join(folder, "former-a"), a);
  client = await serve();
  expect(await get("2")).toBe("2");
  expect((await client.send("GET", "/kept/3")).status).toBe(404);
  await until(async () => {
    const { body } = await client.send("GET", "/_/health/ready");
    const { dependencies } = JSON.parse(body.toString()) as { dependencies: { name: string; ok: boolean }[] };
    return dependencies.filter(({ name, ok }) => name.startsWith("journal") && ok).length === 3;
  }, 30_000);
  await stop();
}, 120_000);
