import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

type Node = {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
};
type CpuProfile = {
  /** Microseconds on the monotonic clock that all processes of a machine share. */
  readonly startTime: number;
  readonly nodes: readonly Node[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
};

export type Cost = { readonly where: string; readonly share: number };

/** A stretch of time, in microseconds as `process.hrtime` counts. */
export type Span = { readonly from: number; readonly to: number };

export type SelfTimes = {
  /** The share of the time in which the main thread did anything. */
  readonly busy: number;
  readonly functions: Cost[];
  readonly files: Cost[];
  readonly folders: Cost[];
};

export function nowMicroseconds(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** What the main thread was busy with itself during `spans`: by function, by file, by folder, as shares of busy time. */
export function selfTimes(profile: CpuProfile, bundle: string, spans: readonly Span[]): SelfTimes {
  const sourceAt = sourcesOf(bundle);
  const microseconds = new Map<number, number>();
  let now = profile.startTime;
  let measured = 0;
  profile.samples.forEach((id, index) => {
    const delta = profile.timeDeltas[index] ?? 0;
    now += delta;
    if (!spans.some(({ from, to }) => now >= from && now <= to)) return;
    measured += delta;
    microseconds.set(id, (microseconds.get(id) ?? 0) + delta);
  });
  const functions = new Map<string, number>();
  const files = new Map<string, number>();
  const folders = new Map<string, number>();
  let total = 0;
  for (const { id, callFrame } of profile.nodes) {
    const time = microseconds.get(id) ?? 0;
    const name = callFrame.functionName || "(anonymous)";
    if (time === 0 || name === "(idle)" || name === "(root)") continue;
    total += time;
    const file = fileOf(callFrame.url, callFrame.lineNumber, sourceAt) || name;
    add(functions, file === name ? name : `${name}  ${file}`, time);
    add(files, file, time);
    add(folders, folderOf(file), time);
  }
  return {
    busy: total / measured,
    functions: costs(functions, total),
    files: costs(files, total),
    folders: costs(folders, total),
  };
}

/** The costs of the profile that lies in a folder, as text. Throws when there is none. */
export function describeProfile(
  folder: string,
  bundlePath: string,
  spans: readonly Span[],
  lines = 30,
): string {
  const name = readdirSync(folder)
    .filter((file) => file.endsWith(".cpuprofile"))
    .sort()
    .at(-1);
  if (name === undefined) throw new Error(`There is no profile in ${folder}.`);
  const profile = JSON.parse(readFileSync(join(folder, name), "utf8")) as CpuProfile;
  const { busy, functions, files, folders } = selfTimes(profile, readFileSync(bundlePath, "utf8"), spans);
  const section = (title: string, all: readonly Cost[]) => [
    `\n${title}`,
    ...all.slice(0, lines).map(({ where, share }) => `  ${(share * 100).toFixed(1).padStart(5)} %  ${where}`),
  ];
  return [
    `During the measured rounds the main thread was busy ${(busy * 100).toFixed(0)} % of the time. Self time of that:`,
    ...section("By part", folders),
    ...section("By file", files),
    ...section("By function", functions),
    "",
  ].join("\n");
}

/** esbuild begins each source's part of a bundle with its path as a comment. */
function sourcesOf(bundle: string): (line: number) => string {
  const starts: { line: number; source: string }[] = [];
  bundle.split("\n").forEach((text, line) => {
    const [, source] = /^\/\/ ((?:services|gen)\/\S+\.ts)$/.exec(text) ?? [];
    if (source !== undefined) starts.push({ line, source });
  });
  return (line) => {
    let found = "";
    for (const start of starts) {
      if (start.line > line) break;
      found = start.source;
    }
    return found;
  };
}

function fileOf(url: string, line: number, sourceAt: (line: number) => string): string {
  if (url.endsWith("/dist/cairn.js")) return sourceAt(line) || "dist/cairn.js";
  const inPackage = url.lastIndexOf("/node_modules/");
  return inPackage === -1 ? url : url.slice(inPackage + 1);
}

function folderOf(file: string): string {
  const parts = file.split("/");
  if (file.startsWith("node_modules/")) return parts.slice(0, parts[1]?.startsWith("@") ? 3 : 2).join("/");
  if (file.startsWith("node:")) return parts[0] ?? file;
  return parts.slice(0, parts[1] === "common" ? 3 : 2).join("/");
}

function add(sums: Map<string, number>, name: string, value: number): void {
  sums.set(name, (sums.get(name) ?? 0) + value);
}

function costs(sums: ReadonlyMap<string, number>, total: number): Cost[] {
  return [...sums].map(([where, time]) => ({ where, share: time / total })).sort((a, b) => b.share - a.share);
}
