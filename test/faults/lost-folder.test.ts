import { cpSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type EmbeddedProcess, serveCairn } from "../support/cairn-process";
import { whatIsWrong } from "./support/checks";
import { journalIsLevel } from "./support/journal-level";
import { MixedLoad } from "./support/mixed-load";
import { seededRandom, seedOfRun } from "./support/random";
import { StoreClient } from "./support/store-client";

/** CAIRN_FOLDER_CYCLES=20 is the whole proof: each cycle is a store of its own that loses a folder. */
const cycles = Number(process.env.CAIRN_FOLDER_CYCLES ?? 3);
const bucket = "lost";
const adminKey = "s3_key_5d0e9f2c7be14a3899d1c5f60b72ae34c8d1f09a6b5e4d3c2b1a09f8e7d6c5b4";
const env = { ADMIN_API_KEY: adminKey, STORAGE_RESERVE: "64MiB", LOG_LEVEL: "warn" };

let folder: string;
let store: EmbeddedProcess | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cairn-lost-"));
});
afterEach(async () => {
  await store?.stop("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

test(
  `${cycles} × one of the three data folders removed, while running or stopped, or put back from the past: nothing is lost`,
  async () => {
    const random = seededRandom(seedOfRun("lost folder"));
    let acknowledged = 0;
    for (let cycle = 0; cycle < cycles; cycle++) {
      const place = join(folder, String(cycle));
      const roots = ["a", "b", "c"].map((name) => join(place, name));
      const lost = roots[cycle % 3] as string;
      const running = Math.floor(cycle / 3) % 2 === (cycle % 3) % 2;
      const [first = "", ...others] = roots;
      const serve = () =>
        serveCairn(
          first,
          env,
          others.flatMap((root) => ["--data", root]),
        );
      store = await serve();
      const client = new StoreClient(store.url, adminKey);
      await client.expect([200], "PUT", `/${bucket}`);
      const load = new MixedLoad(client, bucket, random);
      const check = async (when: string) => {
        const observed = await whatIsWrong(client, load, "all");
        expect({ cycle, when, running, wrong: observed.wrong }).toEqual({ cycle, when, running, wrong: [] });
        load.settle(observed);
      };
      const loadFor = async (ms: number, meanwhile: () => void = () => {}) => {
        load.start();
        await delay(ms / 2);
        meanwhile();
        await delay(ms / 2);
      };
      const killAndServe = async (between: () => void = () => {}) => {
        const ended = load.stop();
        await store?.stop("SIGKILL");
        await ended;
        between();
        store = await serve();
        client.url = store.url;
      };
      // What the folder's journal and databases are now is what comes back from the past below.
      await loadFor(400);
      await killAndServe(() => {
        for (const part of ["journal", "state"])
          if (part === "journal" || lost === first)
            cpSync(join(lost, part), join(place, "past", part), { recursive: true });
      });
      await check("after a kill");
      const remove = () => rmSync(lost, { recursive: true, force: true, maxRetries: 5 });
      await loadFor(800, running ? remove : undefined);
      await killAndServe(running ? undefined : remove);
      await check("with the folder gone");
      await journalIsLevel(client);
      await loadFor(400);
      await killAndServe(() => {
        for (const part of ["journal", "state"])
          if (part === "journal" || lost === first) {
            rmSync(join(lost, part), { recursive: true, force: true });
            cpSync(join(place, "past", part), join(lost, part), { recursive: true });
          }
      });
      await check("with the folder's journal from the past");
      await journalIsLevel(client);
      acknowledged += load.acknowledged;
      client.close();
      expect(await store.stop()).toBe(0);
      await rm(place, { recursive: true, force: true });
    }
    process.stdout.write(`${cycles} folders lost and put back from the past, ${acknowledged} acknowledged\n`);
  },
  60_000 + cycles * 90_000,
);
