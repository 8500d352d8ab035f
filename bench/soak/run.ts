import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { removeAll } from "../../test/faults/support/checks";
import { seededRandom } from "../../test/faults/support/random";
import { StoreClient } from "../../test/faults/support/store-client";
import { splitServices, startSplitStore } from "../../test/support/split-store";
import { until } from "../../test/support/until";
import { table } from "../table";
import { inWorkplace, runTool } from "../workplace";
import { grown, type Resources, resourcesOf } from "./resources";
import { Restarts } from "./restarts";
import { SoakLoad } from "./soak-load";

const usage = `npm run soak -- [options]

  --minutes N        of load, the warm-up included (60)
  --warm-up N        minutes until the first look (a sixth of it all)
  --lanes N          clients (8)
  --seed N           of keys, bodies and restarts
  --folder DIR       where the store keeps its files
`;

const bucket = "soak";
/** Short, so that what is deleted or left by a killed node goes within the run. */
const env = { DELETE_GRACE: "10s", ORPHAN_GRACE: "1m" };
const settleTimeoutMs = 300_000;
const reportEveryMs = 30_000;
const keptLogLines = 200;

async function main(): Promise<void> {
  const { values: flags } = parseArgs({
    options: {
      minutes: { type: "string", default: "60" },
      "warm-up": { type: "string" },
      lanes: { type: "string", default: "8" },
      seed: { type: "string" },
      folder: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (flags.help) return void process.stdout.write(usage);
  const minutes = Number(flags.minutes);
  const warmUpMinutes = Number(flags["warm-up"] ?? minutes / 6);
  if (!(warmUpMinutes > 0 && minutes > warmUpMinutes))
    throw new Error(`The warm-up ends before the load.\n\n${usage}`);
  const seed = Number(flags.seed ?? Date.now() % 1_000_000_000);
  const print = (text: string) => process.stdout.write(`${text}\n`);
  print(`seed ${seed}: ${minutes} minutes of load on eight processes, storage nodes restarted at random`);

  await inWorkplace(flags.folder, async ({ folder, keep }) => {
    const store = await startSplitStore({ folder, databaseUrl: undefined, env });
    keep({ stop: () => store.close() });
    const client = new StoreClient(store.url, store.adminKey);
    keep({ stop: async () => client.close() });
    await client.expect([200], "PUT", `/${bucket}`);
    const random = seededRandom(seed);
    const load = new SoakLoad(client, bucket, random, Number(flags.lanes));
    const restarts = new Restarts(store, client, random);

    /** Load and restarts for so long; then what the store holds when all is quiet. */
    const phase = async (name: string, phaseMinutes: number): Promise<Resources> => {
      const endsAtMs = performance.now() + phaseMinutes * 60_000;
      const ending = new AbortController();
      load.start();
      const restarting = restarts.run(ending.signal);
      // It is awaited below; until then a failure must not end the process.
      restarting.catch(() => ending.abort());
      while (performance.now() < endsAtMs && !ending.signal.aborted && load.wrong.length === 0) {
        await delay(Math.min(reportEveryMs, endsAtMs - performance.now()), undefined, {
          signal: ending.signal,
        }).catch(() => {});
        // Their log would fill this process's memory in an hour; the last lines may be those of a start.
        for (const service of splitServices) {
          const { lines } = store.process(service);
          lines.splice(0, Math.max(0, lines.length - keptLogLines));
        }
        const { kills, stops, pauses } = restarts.counts;
        const left = Math.max(0, (endsAtMs - performance.now()) / 60_000).toFixed(1);
        print(
          `${name}: ${load.answered} answers, ${load.unknown} unknown, ${kills} kills, ${stops} stops, ${pauses} pauses, ${left} min left`,
        );
      }
      ending.abort();
      // Whatever became of the restarts, the load ends: it would go on for ever.
      await restarting.finally(() => load.stop());
      await load.settle();
      await until(async () => {
        const { repairs, deletes, purges } = await client.queues();
        return repairs + deletes + purges === 0;
      }, settleTimeoutMs);
      const pids = Object.fromEntries(
        splitServices.map((service) => [service, store.process(service).child.pid ?? 0]),
      );
      return resourcesOf(client, pids, folder);
    };

    const before = await phase("warm-up", warmUpMinutes);
    const after = load.wrong.length === 0 ? await phase("soak", minutes - warmUpMinutes) : before;
    print(`\n${describe(before, after)}\n`);
    const findings = [...load.wrong, ...grown(before, after)];
    // Objects gone, no replica may be left: neither by a delete that was lost nor by a write that was broken off.
    if (findings.length === 0) {
      await removeAll(client, settleTimeoutMs).catch((error: unknown) => findings.push(String(error)));
    }
    for (const reason of load.reasons.slice(0, 5)) print(`unknown outcome: ${reason}`);
    for (const finding of findings) print(`WRONG: ${finding}`);
    print(
      findings.length === 0
        ? `${load.answered} answers, all right; memory, descriptors, queues, files and replicas are back.`
        : `${findings.length} findings; seed ${seed}`,
    );
    if (findings.length > 0) process.exitCode = 1;
  });
}

function describe(before: Resources, after: Resources): string {
  const rows = Object.entries(after.processes).map(([name, now]) => {
    const then = before.processes[name];
    return [
      name,
      then?.memoryMiB.toFixed(0) ?? "",
      now.memoryMiB.toFixed(0),
      `${then?.descriptors ?? ""}`,
      `${now.descriptors}`,
    ];
  });
  rows.push(["tasks in queues", `${before.queued}`, `${after.queued}`]);
  rows.push(["temporary files", `${before.temporaryFiles}`, `${after.temporaryFiles}`]);
  return table(["after warm-up, at the end", "MiB", "MiB", "descriptors", "descriptors"], rows);
}

runTool("soak", main);
