import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type Apart, runApart } from "./apart";

/** Copies of the databases in a journal folder, whole and synced: `snapshot-<number of the mark>/<name>.db`. */
export type Snapshot = { readonly path: string; readonly number: number };

export type Progress = { readonly name: string; readonly done: number; readonly total: number };

/** The snapshots of some folders, newest first; of a folder that cannot be read, none. */
export function snapshotsIn(folders: readonly string[]): Snapshot[] {
  return folders
    .flatMap((folder) => namesIn(folder).map((name) => ({ folder, name })))
    .flatMap(({ folder, name }) => {
      const [, number] = /^snapshot-(\d{16})$/.exec(name) ?? [];
      return number === undefined ? [] : [{ path: join(folder, name), number: Number(number) }];
    })
    .sort((a, b) => b.number - a.number);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

type SnapshotTask = {
  readonly databases: readonly { readonly name: string; readonly path: string }[];
  readonly folder: string;
  readonly number: number;
};

/**
 * Makes a snapshot in a folder by SQLite's online backup, each database as it stands at one moment, in small steps and
 * in a thread of its own; synced, read back and only then given its name. The folder's former one goes.
 */
export function makeSnapshot(task: SnapshotTask, signal: AbortSignal): Promise<void> {
  return runApart(copyDatabases, task, signal);
}

/** TRUNCATE also empties the log's file: it would stay as long as it ever was, and look as if it were full for ever. */
type FoldIn = { readonly path: string; readonly mode: "PASSIVE" | "TRUNCATE" };

/** Writes what the log of a database holds into its file, as far as no reader is in the way. True when all of it. */
export function checkpoint(task: FoldIn, signal: AbortSignal): Promise<boolean> {
  return runApart(foldIn, task, signal);
}

/** Copies a database file and its name durably. */
export function restoreFile(
  from: string,
  to: string,
  signal: AbortSignal,
  progress: (progress: Progress) => void,
): Promise<void> {
  return runApart(copyFile, { from, to }, signal, (message) => progress(message as Progress));
}

async function copyDatabases({ databases, folder, number }: SnapshotTask, apart: Apart): Promise<void> {
  const fs = apart.require("node:fs") as typeof import("node:fs");
  const Sqlite = apart.require(apart.sqlite) as typeof import("better-sqlite3");
  const sync = (path: string) => {
    const fd = fs.openSync(path, "r");
    fs.fsyncSync(fd);
    fs.closeSync(fd);
  };
  const pagesAStep = 500;
  const temporary = `${folder}/snapshot.tmp`;
  fs.rmSync(temporary, { recursive: true, force: true });
  fs.mkdirSync(temporary, { mode: 0o700 });
  for (const { name, path } of databases) {
    const copyPath = `${temporary}/${name}.db`;
    const source = new Sqlite(path, { readonly: true, timeout: 5_000 });
    // A transaction that reads: what is committed meanwhile does not make the copy begin anew.
    source.exec("BEGIN");
    source.prepare("select number from journal_position").get();
    await source.backup(copyPath, {
      progress: () => {
        // The disk belongs to those who wait for it.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
        return pagesAStep;
      },
    });
    source.close();
    const copy = new Sqlite(copyPath);
    copy.pragma("journal_mode = DELETE");
    copy.close();
    sync(copyPath);
    const read = new Sqlite(copyPath, { readonly: true });
    const check = read.pragma("quick_check", { simple: true });
    const place = read.prepare("select number from journal_position").get() as { number: number };
    read.close();
    if (check !== "ok") throw new Error(`the snapshot of ${name} does not read back: ${String(check)}`);
    if (place.number < number)
      throw new Error(`the snapshot of ${name} stands at ${place.number}, not ${number}`);
    fs.chmodSync(copyPath, 0o600);
  }
  sync(temporary);
  const named = `snapshot-${String(number).padStart(16, "0")}`;
  fs.renameSync(temporary, `${folder}/${named}`);
  sync(folder);
  for (const other of fs.readdirSync(folder))
    if (other.startsWith("snapshot-") && other !== named)
      fs.rmSync(`${folder}/${other}`, { recursive: true, force: true });
}

async function foldIn({ path, mode }: FoldIn, apart: Apart): Promise<boolean> {
  const Sqlite = apart.require(apart.sqlite) as typeof import("better-sqlite3");
  const database = new Sqlite(path, { timeout: 5_000 });
  database.pragma("synchronous = NORMAL");
  const [row] = database.pragma(`wal_checkpoint(${mode})`) as {
    busy: number;
    log: number;
    checkpointed: number;
  }[];
  database.close();
  return row !== undefined && row.busy === 0 && row.log === row.checkpointed;
}

async function copyFile({ from, to }: { from: string; to: string }, apart: Apart): Promise<void> {
  const fs = apart.require("node:fs") as typeof import("node:fs");
  const temporary = `${to}.tmp`;
  const source = fs.openSync(from, "r");
  const target = fs.openSync(temporary, "w", 0o600);
  const total = fs.fstatSync(source).size;
  const buffer = Buffer.alloc(4 * 1024 * 1024);
  for (let at = 0; at < total; ) {
    const count = fs.readSync(source, buffer, 0, buffer.length, at);
    fs.writeSync(target, buffer, 0, count, at);
    at += count;
    apart.report({ name: to, done: at, total });
  }
  fs.fsyncSync(target);
  fs.closeSync(target);
  fs.closeSync(source);
  fs.renameSync(temporary, to);
  const folder = fs.openSync(to.slice(0, to.lastIndexOf("/")), "r");
  fs.fsyncSync(folder);
  fs.closeSync(folder);
}
