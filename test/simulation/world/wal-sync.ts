// Takes the place of services/common/sql/wal-sync.ts in the simulator's bundle: a sync of SQLite's log takes simulated
// time, and how far it reached is known, so that a power cut can take what none covered.
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { WalSync } from "../../../services/common/sql/wal-sync";

type Log = { syncedBytes: number };
const logs = new Map<string, Log>();
/** How long each sync of a log takes while its medium is busy, by database. */
const busyMs = new Map<string, number>();

/** Until told otherwise, 0 being as usual, each sync of this database's log takes so long. */
export function makeLogBusy(databasePath: string, ms: number): void {
  if (ms === 0) busyMs.delete(databasePath);
  else busyMs.set(databasePath, ms);
}

export function walSyncOf(databasePath: string): WalSync & { close(): Promise<void> } {
  // What a power cut left behind is on the medium.
  const log: Log = { syncedBytes: lengthOf(`${databasePath}-wal`) };
  logs.set(databasePath, log);
  const sync = new WalSync(
    () =>
      new Promise((resolve) => {
        const reaches = lengthOf(`${databasePath}-wal`);
        setTimeout(
          () => {
            log.syncedBytes = reaches;
            resolve();
          },
          // Now and then it takes longer anyway.
          (busyMs.get(databasePath) ?? 0) +
            (Math.random() < 0.1 ? 200 * Math.random() : 0.5 + 3 * Math.random()),
        );
      }),
  );
  return Object.assign(sync, { close: async () => {} });
}

/**
 * The medium's part of a power cut: `close` ends the process's connections, which folds its log into the file as no
 * power cut does, so both are put back as they were, the log without what no sync covered, or with some of it.
 */
export function losingUnsynced(databasePath: string, random: () => number, close: () => void): void {
  const walPath = `${databasePath}-wal`;
  const syncedBytes = logs.get(databasePath)?.syncedBytes ?? 0;
  logs.delete(databasePath);
  const file = readFileSync(databasePath);
  const wal = lengthOf(walPath) > 0 ? readFileSync(walPath) : Buffer.alloc(0);
  close();
  rmSync(`${databasePath}-shm`, { force: true });
  writeFileSync(databasePath, file);
  const keptBytes =
    syncedBytes + Math.floor(Math.max(0, wal.length - syncedBytes) * Math.max(0, 2 * random() - 1));
  writeFileSync(walPath, wal.subarray(0, keptBytes));
}

function lengthOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
