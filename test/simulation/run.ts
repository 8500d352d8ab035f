import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../../services/common/log/logger";
import { createMetrics } from "../../services/common/metrics/metrics";
import { defaultMetadataConfig } from "../../services/metadata/config";
import { openMetadata } from "../../services/metadata/open";
import { seededRandom } from "../faults/support/random";
import { Cluster, gatewayNames } from "./cluster";
import { Histories } from "./model/history";
import { unexplained } from "./model/linearizable";
import { Nemesis } from "./nemesis";
import { damagedCopies, heal, unsettled } from "./settle";
import { Trace, told } from "./trace";
import { Workload } from "./workload";
import { SimProcess } from "./world/sim-process";
import { closeAllDatabases } from "./world/sqlite";
import { install, VirtualTime } from "./world/virtual-time";

/** How a run went. `failure` undefined: everything held. */
export type RunResult = {
  readonly seed: number;
  readonly failure: string | undefined;
  readonly trace: readonly string[];
  /** Equal digests, equal runs. */
  readonly digest: string;
  readonly acknowledged: number;
  readonly events: number;
  readonly simulatedMs: number;
  /** Faults by kind. */
  readonly struck: Readonly<Record<string, number>>;
};

const clients = 4;
const mostEvents = 3_000_000;
const startMs = Date.UTC(2026, 0, 1);
const settleForMs = 240_000;
const settleStepMs = 2_500;

/** A place for the SQLite files of runs: memory where there is some. */
export class Place {
  readonly folder: string;
  readonly template: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.template = join(folder, "template.db");
  }

  /** Makes a migrated, empty metadata database, which each run copies. */
  static async make(): Promise<Place> {
    const place = new Place(mkdtempSync(join(memoryFolder(), "cairn-simulation-")));
    const time = new VirtualTime(startMs);
    install(time, seededRandom(1));
    let open = true;
    const made = openMetadata({
      database: { kind: "sqlite", path: place.template, synchronous: "OFF" },
      config: defaultMetadataConfig,
      clock: new SimProcess("template", time, 0).clock,
      log: silentLogger,
      metrics: createMetrics({ defaults: false }),
    }).then(async (metadata) => {
      await metadata.close();
      open = false;
    });
    time.after(1_000, () => {});
    await Promise.all([made, time.runUntil(() => !open, 1_000)]);
    return place;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function memoryFolder(): string {
  try {
    accessSync("/dev/shm", constants.W_OK);
    return "/dev/shm";
  } catch {
    return tmpdir();
  }
}

let unhandled: unknown;
process.on("unhandledRejection", (error) => {
  unhandled ??= error;
});

/** One run from its seed: the same seed and steps give the same run, wherever and after whatever it runs. */
export async function simulate(
  place: Place,
  options: { readonly seed: number; readonly steps: number; readonly faults?: readonly string[] | undefined },
): Promise<RunResult> {
  const { seed, steps } = options;
  const random = seededRandom(seed * 2_654_435_761 + 12_345);
  const time = new VirtualTime(startMs + (seed % 1_000) * 3_600_000);
  install(time, random);
  unhandled = undefined;
  const trace = new Trace(time);
  const histories = new Histories();
  const cluster = new Cluster({
    time,
    random,
    log: trace.logger(),
    folder: join(place.folder, `run-${seed}`),
    template: place.template,
  });
  const workload = new Workload({ time, random, cluster, histories, trace }, steps);
  const nemesis = new Nemesis(time, random, cluster, trace, options.faults);
  let failure: string | undefined;
  let over = false;
  const story = async () => {
    await cluster.open();
    await workload.begin();
    nemesis.start();
    await Promise.all(Array.from({ length: clients }, (_, at) => workload.client(`client-${at + 1}`)));
    nemesis.stop();
    trace.tell("run", "all steps are done: everything is healed");
    await heal(cluster, workload.clock, trace);
    await settle(cluster, workload, trace);
    for (const gateway of gatewayNames) await workload.readAll(gateway, 30);
    const { lost, damaged, differing } = await damagedCopies(cluster, workload.clock);
    if (differing.length > 0) throw new Error(`copies differ: ${differing.join("; ")}`);
    if (lost.length > 0) throw new Error(`no good copy is left of ${lost.join(", ")}`);
    damaged.push(...cluster.foundBad.map((replica) => `${replica} was missing or damaged`));
    if (damaged.length > 0 && !nemesis.mayHaveDamaged)
      throw new Error(`damaged though no fault damages: ${damaged.join("; ")}`);
    judge(histories);
    if (unhandled !== undefined) throw new Error(`a rejection that nobody handled: ${String(unhandled)}`);
  };
  const ended = story()
    .catch((error: unknown) => {
      failure = error instanceof Error ? error.message : String(error);
      if (error instanceof Error && !(failure ?? "").includes("\n")) failure += `\n${error.stack ?? ""}`;
    })
    .finally(() => {
      over = true;
    });
  try {
    await time.runUntil(() => over, mostEvents);
    await ended;
  } catch (error) {
    failure ??= error instanceof Error ? error.message : String(error);
  } finally {
    cluster.close();
    closeAllDatabases();
  }
  if (failure !== undefined) trace.tell("run", `FAILED: ${failure.split("\n")[0]}`);
  return {
    seed,
    failure,
    trace: trace.lines,
    digest: trace.digest(),
    acknowledged: workload.acknowledged,
    events: time.events,
    simulatedMs: time.nowMs,
    struck: Object.fromEntries(nemesis.struck),
  };
}

async function settle(cluster: Cluster, workload: Workload, trace: Trace): Promise<void> {
  let wrong: string[] = [];
  for (let waitedMs = 0; waitedMs <= settleForMs; waitedMs += settleStepMs) {
    wrong = await unsettled(cluster).catch((error: unknown) => [told(error)]);
    if (wrong.length === 0) return trace.tell("run", "all is settled");
    await workload.clock.sleep(settleStepMs);
  }
  throw new Error(`not settled after ${settleForMs / 1000} s: ${wrong.slice(0, 10).join("; ")}`);
}

/** I5: every register's operations have an order that explains them. */
function judge(histories: Histories): void {
  for (const [register, entries] of histories.registers) {
    const longest = unexplained(entries);
    if (longest === undefined) continue;
    const explained = new Set(longest);
    const lines = [...entries]
      .sort((a, b) => a.invokedAt - b.invokedAt)
      .map((entry) => {
        const { effect } = entry;
        const value = effect.kind === "refused" ? JSON.stringify(effect.when) : effect.value.slice(0, 8);
        const mark = explained.has(entry) ? " " : "!";
        return ` ${mark} ${entry.invokedAt}..${entry.returnedAt} ${effect.kind} ${value}   ${entry.told}`;
      });
    throw new Error(`no order explains what happened to ${register}:\n${lines.join("\n")}`);
  }
}
