import type { SimulatedDisk } from "../../services/storage/simulated-disk";
import type { Random } from "../faults/support/random";
import { type Cluster, gatewayNames, type NodeName, nodeNames } from "./cluster";
import { type Trace, told } from "./trace";
import type { VirtualTime } from "./world/virtual-time";

const MiB = 1024 * 1024;
const processNames = [...nodeNames, ...gatewayNames, "metadata"] as const;

/** Faults that any process, link or disk may meet at any time: nothing acknowledged may be lost by them. */
const common = {
  "kill a process": (nemesis: Nemesis) => nemesis.killAndRestart(nemesis.random.pick(processNames)),
  "cut a node's power": (nemesis: Nemesis) => nemesis.cutPower([nemesis.random.pick(nodeNames)]),
  "cut the metadata's power": (nemesis: Nemesis) => nemesis.cutPower(["metadata"]),
  "cut all power": (nemesis: Nemesis) => nemesis.cutPower([...nodeNames, "metadata"]),
  "cut a link": (nemesis: Nemesis) => nemesis.partition(),
  "pause a process": (nemesis: Nemesis) => nemesis.pause(),
  "slow network": (nemesis: Nemesis) => nemesis.slow(),
  "fill a disk": (nemesis: Nemesis) => nemesis.fill(nemesis.random.pick(nodeNames)),
  "hang a disk": (nemesis: Nemesis) => nemesis.hang(nemesis.random.pick(nodeNames)),
  "wrong bits in reads": (nemesis: Nemesis) => nemesis.wrongBits(nemesis.random.pick(nodeNames)),
  // Nobody is left who would ask for a lost commit again, and a busy log gives readers time to see it before.
  "cut everything's power": (nemesis: Nemesis) => nemesis.cutPower(processNames),
  "slow the metadata's log": (nemesis: Nemesis) => nemesis.slowLog(),
} as const;

/** Kinds after which a replica that counts may be damaged until a scrub or a read meets it. */
const damaging = ["damage a file", "wrong bits in reads", "fail reads"];

/** Faults that destroy what was synced: only ever of one node a run, as three copies allow for no more. */
const destructive = {
  "damage a file": (nemesis: Nemesis) => nemesis.damage(nemesis.victim),
  "fail a write": (nemesis: Nemesis) => nemesis.failChange(nemesis.victim),
  "fail reads": (nemesis: Nemesis) => nemesis.failReads(nemesis.victim),
  "replace a disk": (nemesis: Nemesis) => nemesis.replaceDisk(nemesis.victim),
} as const;

/**
 * Brings faults about, one after the other and over each other, until told to stop. Each run has a random few kinds
 * (swarm testing): one that has them all hides what only one of them, often, would show.
 */
export class Nemesis {
  readonly random: Random;
  readonly victim: NodeName;
  readonly #time: VirtualTime;
  readonly #cluster: Cluster;
  readonly #trace: Trace;
  readonly #kinds: readonly (readonly [string, (nemesis: Nemesis) => void])[];
  readonly #everyMs: number;
  /** How often each kind of fault struck. */
  readonly struck = new Map<string, number>();
  #stopped = false;

  /** `only`: these kinds, instead of a random few. */
  constructor(time: VirtualTime, random: Random, cluster: Cluster, trace: Trace, only?: readonly string[]) {
    this.#time = time;
    this.random = random;
    this.#cluster = cluster;
    this.#trace = trace;
    this.victim = random.pick(nodeNames);
    const all = Object.entries({ ...common, ...destructive });
    const chosen =
      only === undefined
        ? all.filter(([name]) => random.next() < (name in common ? 0.45 : 0.3))
        : all.filter(([name]) => only.includes(name));
    this.#kinds = chosen;
    this.#everyMs = 500 * 10 ** random.next();
    const names = chosen.map(([name]) => name).join(", ");
    trace.tell(
      "nemesis",
      `every ${Math.round(this.#everyMs)} ms, victim ${this.victim}: ${names || "nothing"}`,
    );
  }

  start(): void {
    if (this.#kinds.length > 0) this.#next();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Whether a fault of this run may have left damage behind that nobody has met yet. */
  get mayHaveDamaged(): boolean {
    return damaging.some((kind) => this.struck.has(kind));
  }

  #next(): void {
    this.#time.after(2 * this.#everyMs * this.random.next(), () => {
      if (this.#stopped) return;
      const [kind, strike] = this.random.pick(this.#kinds);
      this.struck.set(kind, (this.struck.get(kind) ?? 0) + 1);
      strike(this);
      this.#next();
    });
  }

  #tell(what: string): void {
    this.#trace.tell("nemesis", what);
  }

  killAndRestart(name: (typeof processNames)[number]): void {
    this.#tell(`kills ${name}`);
    this.#cluster.kill(name);
    this.#restartLater(name);
  }

  #restartLater(name: (typeof processNames)[number]): void {
    this.#time.after(4_000 * this.random.next() ** 2, () => {
      this.#tell(`starts ${name}`);
      start(this.#cluster, name, this.#trace);
    });
  }

  cutPower(names: readonly (typeof processNames)[number][]): void {
    this.#tell(`cuts the power of ${names.join(", ")}`);
    for (const name of names) this.#cluster.cutPower(name);
    for (const name of names) this.#restartLater(name);
  }

  partition(): void {
    const { network } = this.#cluster;
    const from = this.random.pick([...processNames, "*", "clients"]);
    const to = this.random.pick([...processNames, "*"]);
    const both = this.random.next() < 0.6;
    if (from === to) return;
    const forMs = 18_000 * this.random.next();
    this.#tell(`cuts ${from} ${both ? "<->" : "->"} ${to} for ${Math.round(forMs)} ms`);
    network.cut(from, to);
    if (both) network.cut(to, from);
    this.#time.after(forMs, () => {
      network.mend(from, to);
      if (both) network.mend(to, from);
    });
  }

  pause(): void {
    const name = this.random.pick(processNames);
    const forMs = (name.startsWith("gateway") ? 45_000 : 12_000) * this.random.next() ** 2;
    this.#tell(`pauses ${name} for ${Math.round(forMs)} ms`);
    this.#cluster.process(name)?.pause(forMs);
  }

  slow(): void {
    this.#tell("slows the network down");
    this.#cluster.network.slow = 0.1;
    this.#time.after(5_000 * this.random.next(), () => {
      this.#cluster.network.slow = 0;
    });
  }

  slowLog(): void {
    const ms = 2_000 * this.random.next();
    this.#tell(`slows the metadata's log: ${Math.round(ms)} ms a sync`);
    this.#cluster.makeLogBusy(ms);
    this.#time.after(8_000 * this.random.next(), () => this.#cluster.makeLogBusy(0));
  }

  fill(name: NodeName): void {
    this.#tell(`fills the disk of ${name}`);
    const { disk } = this.#cluster.nodes[name];
    disk.capacityBytes = this.random.whole(2 * MiB);
    this.#time.after(8_000 * this.random.next(), () => {
      disk.capacityBytes = 16 * MiB;
    });
  }

  hang(name: NodeName): void {
    const { faults } = this.#cluster.nodes[name];
    faults.hangsMs = 7_000 * this.random.next();
    this.#tell(`hangs the disk of ${name}: ${Math.round(faults.hangsMs)} ms a call`);
    this.#time.after(10_000 * this.random.next(), () => {
      faults.hangsMs = 0;
    });
  }

  wrongBits(name: NodeName): void {
    const { faults } = this.#cluster.nodes[name];
    this.#tell(`wrong bits in reads of ${name}`);
    faults.wrongBits = 0.2 * this.random.next();
    this.#time.after(10_000 * this.random.next(), () => {
      faults.wrongBits = 0;
    });
  }

  failReads(name: NodeName): void {
    const { faults } = this.#cluster.nodes[name];
    this.#tell(`reads of ${name} fail`);
    faults.failingReads = 0.3 * this.random.next();
    this.#time.after(6_000 * this.random.next(), () => {
      faults.failingReads = 0;
    });
  }

  failChange(name: NodeName): void {
    this.#tell(`the next write of ${name} fails`);
    this.#cluster.nodes[name].faults.failingChanges = 1;
  }

  damage(name: NodeName): void {
    const { disk } = this.#cluster.nodes[name];
    const paths = disk.paths().filter((path) => disk.sizeOfPath(path) > 0);
    if (paths.length === 0) return;
    const path = this.random.pick(paths);
    const how = this.random.pick(["flip", "flip", "cut", "zero", "swap"] as const);
    this.#tell(`damages ${name}${path}: ${how}`);
    const other = this.random.pick(paths);
    damageFile(disk, this.random, path, other, how);
  }

  replaceDisk(name: NodeName): void {
    this.#tell(`replaces the disk of ${name} by an empty one`);
    this.#cluster.replaceDisk(name);
    this.#restartLater(name);
  }
}

function damageFile(
  disk: SimulatedDisk,
  random: Random,
  path: string,
  other: string,
  how: "flip" | "cut" | "zero" | "swap",
): void {
  disk.corrupt(path, (data) => {
    if (how === "cut") return data.subarray(0, random.whole(data.length));
    const at = random.whole(data.length);
    if (how === "flip") data[at] = (data[at] as number) ^ (1 << random.whole(8));
    if (how === "zero") data.fill(0, at, Math.min(data.length, at + 4_096));
    if (how !== "swap" || path === other) return data;
    let others = data;
    disk.corrupt(other, (otherData) => {
      others = otherData;
      return data;
    });
    return others;
  });
}

/** Starts what is down. A node whose folder cannot be used stays down and says why. */
export function start(cluster: Cluster, name: (typeof processNames)[number], trace: Trace): void {
  const failed = (error: unknown) => {
    trace.tell(name, `does not start: ${told(error)}`);
    cluster.kill(name);
  };
  if (name === "metadata") cluster.startMetadata().catch(failed);
  else if (name === "gateway-1" || name === "gateway-2") cluster.startGateway(name).catch(failed);
  else cluster.startNode(name).catch(failed);
}
