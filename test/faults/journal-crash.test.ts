import type { Journal, JournalOptions } from "../../services/common/journal/journal";
import { until } from "../support/until";
import { bodyOf, type FolderName, folderNames, JournalWorld, whatLies } from "./support/journal-world";
import { type Random, seededRandom, seedOfRun } from "./support/random";

/** CAIRN_JOURNAL_SEEDS=20000 for a long look. */
const seeds = Number(process.env.CAIRN_JOURNAL_SEEDS ?? 40);

/**
 * One seed: starts, appends, power cuts, and one folder at a time that fails, is missing, is emptied or comes from the
 * past. Answers what is wrong, undefined when nothing is.
 */
async function play(random: Random, bug?: JournalOptions["bug"]): Promise<string | undefined> {
  const world = new JournalWorld(random, bug);
  await world.makeFolders();
  /** Where each acknowledged or applied record lies: none may ever leave its place. */
  const promised = new Map<string, string>();
  const copies = new Map<FolderName, ReadonlyMap<string, Buffer>>();
  /** The folder that may lack what the others have: none but it may fail until all are level. */
  let weak: FolderName | undefined;
  let nextText = 1;
  let begun = false;

  const wrongNow = async (journal: Journal): Promise<string | undefined> => {
    const found = await whatLies(journal);
    const places = new Map(found.map(({ place, text }) => [text, place]));
    for (const [text, place] of promised)
      if (places.get(text) !== place)
        return `record ${text} of ${place} is at ${places.get(text) ?? "no place"}`;
    for (const { place, text } of found) promised.set(text, place);
    return undefined;
  };

  for (let round = 0; round < 12; round++) {
    const faulty = weak ?? random.pick(folderNames);
    const fault = begun ? random.pick(["none", "missing", "empty", "past", "fails", "cut"] as const) : "none";
    if (fault !== "none") weak = faulty;
    if (fault === "empty") await world.replace(faulty);
    if (fault === "past") await world.replace(faulty, copies.get(faulty));
    if (fault === "missing") world.missing.add(faulty);
    if (random.next() < 0.3) copies.set(faulty, world.copyOf(faulty));
    const cutStart = begun && random.next() < 0.2;
    if (cutStart || fault === "cut")
      for (const name of folderNames) {
        const disk = world.disks[name];
        disk.cutPowerAt = disk.changes + random.whole(cutStart ? 25 : 80);
      }
    let journal: Journal | undefined;
    try {
      journal = await world.open();
      begun = true;
      const wrong = await wrongNow(journal);
      if (wrong !== undefined) return `round ${round}, ${fault} of ${faulty}, at the start: ${wrong}`;
      const appends: Promise<void>[] = [];
      for (let count = random.whole(40); count > 0; count--) {
        const text = `${nextText++}`;
        const appended = journal.append("transaction", bodyOf(text)).then(
          ({ epoch, number }) => void promised.set(text, `${epoch}/${number}`),
          () => {},
        );
        appends.push(appended);
        if (random.next() < 0.5) await appended;
        if (fault === "fails" && count === 10) world.missing.add(faulty);
        if (random.next() < 0.1) await journal.mend().catch(() => {});
      }
      if (random.next() < 0.5) await Promise.all(appends);
      if (random.next() < 0.5) {
        world.missing.delete(faulty);
        for (let tries = 0; tries < 4; tries++) await journal.mend().catch(() => {});
        if (journal.status().every(({ level }) => level)) {
          await journal.append("transaction", bodyOf(`${nextText++}`)).catch(() => {});
          const ends = journal.status().map(({ lastNumber }) => lastNumber);
          if (ends.every((end) => end === ends[0])) weak = undefined;
        } else if (fault !== "cut" && !cutStart) {
          return `round ${round}, ${fault} of ${faulty}: not level again: ${JSON.stringify(journal.status())}`;
        }
      }
    } catch (error) {
      // Without power anything may fail, and nothing is said of what lies on the disks.
      if (!cutStart && fault !== "cut")
        return `round ${round}, ${fault} of ${faulty}: ${(error as Error).stack}`;
    }
    world.crash();
    world.missing.clear();
    await journal?.close().catch(() => {});
  }
  world.missing.clear();
  const wrong = await wrongNow(await world.open());
  return wrong === undefined ? undefined : `at the end: ${wrong}`;
}

test(`${seeds} seeds of crashes and of one folder that fails, is lost or comes from the past lose and undo nothing`, async () => {
  const first = seedOfRun("journal");
  for (let seed = first; seed < first + seeds; seed++)
    expect({ seed, wrong: await play(seededRandom(seed)).catch((error) => String(error.stack)) }).toEqual({
      seed,
      wrong: undefined,
    });
}, 600_000);

/**
 * The interleaving that epochs and claims are there for (P5): what only A holds, and nobody was told of, goes further
 * than what B and C then acknowledge without it.
 */
async function unfollowedTail(random: Random, bug?: JournalOptions["bug"]): Promise<string | undefined> {
  const world = new JournalWorld(random, bug);
  await world.makeFolders();
  const write = async (journal: Journal, texts: readonly string[]) =>
    Promise.allSettled(texts.map((text) => journal.append("transaction", bodyOf(text))));
  const first = await world.open();
  await write(first, ["told 1"]);
  await first.close();
  world.missing.add("b");
  const alone = await world.open();
  world.missing.add("c");
  const lost = await write(alone, ["a 1", "a 2", "a 3", "a 4", "a 5", "a 6"]);
  if (lost.some(({ status }) => status === "fulfilled")) return "acknowledged by one folder";
  // What A was given reaches its disk all the same.
  await new Promise((resolve) => setImmediate(resolve));
  world.crash();
  await alone.close();
  world.missing.clear();
  world.missing.add("a");
  const others = await world.open();
  const told = await write(others, ["told 2", "told 3"]);
  if (told.some(({ status }) => status === "rejected")) return "two folders did not suffice";
  world.crash();
  await others.close();
  world.missing.clear();
  const last = await world.open();
  const texts = (await whatLies(last)).map(({ text }) => text).filter((text) => text.startsWith("told"));
  await last.close();
  return texts.join() === "told 1,told 2,told 3" ? undefined : `only ${texts.join()} are left`;
}

test("a tail that only one folder holds is set aside when the others have gone on without it", async () => {
  for (let seed = 1; seed <= 20; seed++) expect(await unfollowedTail(seededRandom(seed))).toBeUndefined();
});

test("a folder that is level again while nothing is written takes the next record", async () => {
  const world = new JournalWorld(seededRandom(1));
  await world.makeFolders();
  const journal = await world.open();
  world.missing.add("b");
  await journal.append("transaction", bodyOf("1"));
  world.missing.clear();
  await until(async () => {
    await journal.mend();
    return journal.status().every(({ level }) => level);
  });
  // With another one gone it is one of the two that count.
  world.missing.add("c");
  await journal.append("transaction", bodyOf("2"));
  expect((await whatLies(journal)).map(({ text }) => text)).toEqual(["1", "2"]);
  await journal.close();
}, 15_000);

test.each(["no-epoch", "no-claim", "no-sync"] as const)(
  "control: a journal with %s is caught",
  async (bug) => {
    const found: string[] = [];
    for (let seed = 1; seed <= 20; seed++) {
      const look = bug === "no-sync" ? play : unfollowedTail;
      const wrong = await look(seededRandom(seed), bug);
      if (wrong?.includes("are left") || wrong?.includes("is at")) found.push(wrong);
    }
    process.stdout.write(`${bug}: ${found.length} of 20 seeds, such as "${found[0]}"\n`);
    expect(found.length).toBeGreaterThan(0);
  },
);
